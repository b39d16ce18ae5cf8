#include "bot/network_why.h"

#include <algorithm>
#include <charconv>

#include "bot/nearest.h"
#include "bot/why_internet.h"
#include "bot/why_world.h"
#include "contract/header.h"

namespace mcloud::bot {
namespace {

// One end of it, found.
struct Place {
  const pb::Facets* workload = nullptr;  // nullptr: a device
  const pb::Replica* replica = nullptr;
  const pb::Node* node = nullptr;        // where it stands; of a device: of its access point
  std::string name;                      // in rules: "web", "device:laptop"
  std::string shown;                     // "web-0"
};

class Explanation {
 public:
  explicit Explanation(const NetworkFacts& facts) : facts_(facts) {}

  Result<Why> run(const ConnectionEnd& from, const ConnectionEnd& to) {
    std::vector<Place> origins = TRY(places_of(from));
    if (to.is_world) return to_world(from, begin(origins), {to.protocol, TRY(port_of(to))}, to.name);
    std::vector<Place> targets = TRY(places_of(to));
    const uint32_t port = TRY(port_of(to));
    const Place& origin = begin(origins);
    tell_end(origin);
    if (to.is_device) tell_end(targets.front());
    if (!to.is_device) tell_names(to, targets);
    const std::string network = common_network(origin, targets.front());
    if (network.empty()) return std::move(why_);
    tell_access(from, network, origins.front());
    tell_rule(network, origin.name, targets.front().name, {to.protocol, port});
    tell_paths(network, origin, targets, to.is_device);
    tell_port(targets.front(), to.protocol, port);
    return std::move(why_);
  }

 private:
  struct Wanted {
    std::string protocol;
    uint32_t port = 0;
  };

  void tell(std::string text, bool works = true) {
    why_.steps.push_back({std::move(text), works});
    why_.works = why_.works && works;
  }

  // Without a place of the other end: out there it is not ours to say.
  Why to_world(const ConnectionEnd& from, const Place& origin, const Wanted& wanted, const std::string& address) {
    if (from.is_device) {
      tell("devices reach the world by themselves: only the network's range goes through it", false);
      return std::move(why_);
    }
    tell_end(origin);
    WorldWay way{*origin.workload, origin.node, wanted.protocol, wanted.port, address};
    for (WhyStep& step : world_steps(facts_, way)) tell(std::move(step.text), step.works);
    return std::move(why_);
  }

  // ---- who it is -----------------------------------------------------------------------------

  std::vector<std::string> known_names() const {
    std::vector<std::string> names;
    for (const pb::Facets& facets : facts_.header.workloads()) {
      if (facets.replicas() > 0) names.push_back(facets.name());
    }
    return names;
  }

  Result<std::vector<Place>> places_of(const ConnectionEnd& end) const {
    if (end.is_device) return device(end.name);
    std::string name = end.name;
    std::optional<uint32_t> index;
    const pb::Facets* workload = contract::find_facets(facts_.header, name);
    if (size_t dash = name.rfind('-'); workload == nullptr && dash != std::string::npos) {
      uint32_t number = 0;
      auto [stopped, error] = std::from_chars(name.data() + dash + 1, name.data() + name.size(), number);
      if (error == std::errc() && stopped == name.data() + name.size()) index = number;
      workload = contract::find_facets(facts_.header, name.substr(0, dash));
    }
    if (workload == nullptr || (index && *index >= workload->replicas()) || workload->replicas() == 0) {
      return make_error(Code::NotFound, not_found("workload", end.name, known_names()));
    }
    std::vector<Place> places;
    for (uint32_t i = index.value_or(0); i < (index ? *index + 1 : workload->replicas()); ++i) {
      const pb::Replica* replica = find_replica(facts_, workload->name(), i);
      if (replica == nullptr) continue;
      places.push_back({workload, replica, find_node(facts_, replica->node()), workload->name(),
                        workload->name() + "-" + std::to_string(i)});
    }
    if (places.empty()) return make_error(Code::NotFound, "workload " + workload->name() + " has no replicas yet");
    return places;
  }

  Result<std::vector<Place>> device(const std::string& name) const {
    std::vector<std::string> known;
    for (const pb::SpaceGrant& grant : facts_.record.spaces()) {
      for (const pb::Device& one : grant.devices()) {
        known.push_back(one.name());
        if (one.name() != name) continue;
        const pb::Node* node = nullptr;
        const pb::Facets* access = contract::find_facets(facts_.header, grant.name());
        for (uint32_t i = 0; access != nullptr && i < access->replicas(); ++i) {
          const pb::Replica* replica = find_replica(facts_, grant.name(), i);
          if (node == nullptr && replica != nullptr && serves(facts_, *access, *replica)) {
            node = find_node(facts_, replica->node());
          }
        }
        return std::vector<Place>{{nullptr, nullptr, node, "device:" + name, "device " + name}};
      }
    }
    return make_error(Code::NotFound, not_found("device", name, known));
  }

  // The first that runs, else the first.
  const Place& begin(const std::vector<Place>& places) const {
    for (const Place& place : places) {
      if (place.workload != nullptr && serves(facts_, *place.workload, *place.replica)) return place;
    }
    return places.front();
  }

  Result<uint32_t> port_of(const ConnectionEnd& end) const {
    uint32_t number = 0;
    auto [stopped, error] = std::from_chars(end.port.data(), end.port.data() + end.port.size(), number);
    if (error == std::errc() && stopped == end.port.data() + end.port.size()) {
      if (number >= 1 && number <= 65535) return number;
      return make_error(Code::Invalid, "port " + end.port + ": allowed are 1 to 65535");
    }
    std::vector<std::string> known;
    for (const pb::Port& port : declared_ports(facts_, end.name)) {
      if (port.name() == end.port) return port.number();
      known.push_back(port.name());
    }
    return make_error(Code::NotFound, not_found("port of " + end.name, end.port, known));
  }

  // ---- the steps -----------------------------------------------------------------------------

  void tell_end(const Place& place) {
    if (place.workload == nullptr) return;
    tell(state_text(facts_, *place.workload, *place.replica), serves(facts_, *place.workload, *place.replica));
  }

  void tell_names(const ConnectionEnd& to, const std::vector<Place>& targets) {
    std::string serving, first_bad;
    for (const Place& target : targets) {
      if (serves(facts_, *target.workload, *target.replica)) {
        serving += (serving.empty() ? "" : ", ") + target.shown;
      } else if (first_bad.empty()) {
        first_bad = state_text(facts_, *target.workload, *target.replica);
      }
    }
    const std::string host = to.name + "." + facts_.record.name() + ".internal";
    if (serving.empty()) return tell(host + " has no address: " + first_bad, false);
    tell(host + " leads to " + serving + (first_bad.empty() ? "" : "; " + first_bad));
  }

  bool is_in(const Place& place, const pb::SpaceGrant& grant) const {
    if (place.workload != nullptr) return std::ranges::find(place.workload->spaces(), grant.name()) != place.workload->spaces().end();
    return std::ranges::any_of(grant.devices(), [&](const pb::Device& one) { return "device:" + one.name() == place.name; });
  }

  std::string names_of(const Place& place) const {
    std::string names;
    for (const pb::SpaceGrant& grant : facts_.record.spaces()) {
      if (is_in(place, grant)) names += (names.empty() ? "" : ", ") + grant.name();
    }
    return names.empty() ? "no network" : names;
  }

  std::string common_network(const Place& from, const Place& to) {
    for (const pb::SpaceGrant& grant : facts_.record.spaces()) {
      if (!is_in(from, grant) || !is_in(to, grant)) continue;
      tell("both are in network " + grant.name() + ", " + grant.range());
      return grant.name();
    }
    tell("they share no network: " + from.shown + " is in " + names_of(from) + ", " + to.shown + " in " + names_of(to) +
             "; networks never reach each other",
         false);
    return "";
  }

  void tell_access(const ConnectionEnd& from, const std::string& network, const Place& place) {
    if (!from.is_device) return;
    if (place.node == nullptr) return tell("no access point of network " + network + " runs", false);
    if (place.node->addresses().hidden()) {
      return tell("the access point is on " + place.node->name() + ", which takes no calls (hidden)", false);
    }
    const pb::NetworkBody* body = find_network(facts_, network);
    const uint32_t port = body == nullptr ? 0 : body->access().port();
    tell(place.shown + " calls the access point on " + place.node->name() + " at " +
         with_port(public_address(*place.node), port) + " with plain WireGuard");
  }

  void tell_rule(const std::string& network, const std::string& from, const std::string& to, const Wanted& wanted) {
    const pb::NetworkBody* body = find_network(facts_, network);
    if (body == nullptr || !body->restricted()) {
      return tell("network " + network + " has no allow list: its members reach each other");
    }
    std::string others;
    for (const pb::Allow& rule : body->allow()) {
      if (!fits_rule(rule, from, to)) continue;
      const bool is_fitting = rule.protocol().empty() ||
                              (rule.protocol() == wanted.protocol && rule.port_first() <= wanted.port &&
                               wanted.port <= rule.port_last());
      if (is_fitting) return tell("rule \"" + rule_text(rule) + "\" allows it, checked at both ends");
      others += (others.empty() ? "; between them it allows only: " : ", ") + rule_text(rule);
    }
    tell("no rule of network " + network + " allows " + from + " -> " + to + " " + wanted.protocol + " " +
             std::to_string(wanted.port) + ": it is dropped at both ends" + others,
         false);
  }

  // It works when one replica that serves can be reached.
  void tell_paths(const std::string& network, const Place& origin, const std::vector<Place>& targets, bool is_device) {
    bool any = false;
    std::vector<WhyStep> steps;
    for (const Place& target : targets) {
      if (!is_device && !serves(facts_, *target.workload, *target.replica)) continue;
      if (origin.node == nullptr || target.node == nullptr) continue;
      NodePath path = path_between(facts_, *origin.node, *target.node, network);
      any = any || path.works();
      steps.push_back({describe(path, target), path.works()});
    }
    if (steps.empty()) why_.works = false;
    for (WhyStep& step : steps) why_.steps.push_back(std::move(step));
    why_.works = why_.works && any;
  }

  static std::string describe(const NodePath& path, const Place& target) {
    std::string text = "to " + target.shown + ": ";
    if (!path.works()) return text + path.problem;
    text += path.text;
    if (path.way == Way::SameNode) return text;
    if (!path.is_encrypted) return text + ", not encrypted";
    return text + ", WireGuard " + (path.is_preshared ? "with" : "without") + " a preshared key";
  }

  void tell_port(const Place& target, const std::string& protocol, uint32_t port) {
    if (target.workload == nullptr) return;
    for (const pb::Port& declared : declared_ports(facts_, target.name)) {
      if (declared.number() != port || declared.protocol() != protocol) continue;
      return tell(target.name + " listens on " + protocol + " " + std::to_string(port) + " (" + declared.name() + ")");
    }
    tell(target.name + " does not say that it listens on " + protocol + " " + std::to_string(port) +
         ": whether anything answers there is its own affair");
  }

  const NetworkFacts& facts_;
  Why why_;
};

}  // namespace

std::vector<pb::Port> declared_ports(const NetworkFacts& facts, std::string_view workload) {
  const pb::WorkloadBody* body = contract::find_body(facts.body, workload);
  if (body == nullptr) return {};
  if (body->has_container()) return {body->container().ports().begin(), body->container().ports().end()};
  if (!body->has_kv()) return {};
  pb::Port port;
  port.set_name("kv");
  port.set_number(body->kv().port());
  port.set_protocol("tcp");
  return {port};
}

Result<Why> explain(const NetworkFacts& facts, const ConnectionEnd& from, const ConnectionEnd& to) {
  if (from.is_internet) return explain_from_internet(facts, to);
  return Explanation(facts).run(from, to);
}

Why explain_apart(const ConnectionEnd& from, const ConnectionEnd& to) {
  Why why;
  why.works = false;
  why.steps.push_back({from.contract + "/" + from.name + " and " + to.contract + "/" + to.name +
                           " are of different contracts: their networks never reach each other, even with the same range",
                       false});
  why.steps.push_back({"the way between contracts is a publication: see what the internet reaches with mcloud network why "
                       "internet " + to.contract + "/" + to.name + ":" + to.port,
                       true});
  return why;
}

}  // namespace mcloud::bot
