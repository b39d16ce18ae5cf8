#include "bot/why_internet.h"

#include <algorithm>

#include "bot/nearest.h"
#include "contract/header.h"

namespace mcloud::bot {
namespace {

void tell(Why& why, std::string text, bool works = true) {
  why.steps.push_back({std::move(text), works});
  why.works = why.works && works;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool leads_to(const PublicationView& view, const ConnectionEnd& to) {
  if (view.workload == to.name) return true;
  return std::ranges::any_of(view.targets, [&](const TargetView& target) {
    bool is_it = target.replica == to.name || target.replica.substr(0, target.replica.rfind('-')) == to.name;
    return is_it && std::to_string(target.port) == to.port;
  });
}

const pb::Node* node_named(const NetworkFacts& facts, const std::string& name) {
  auto found = std::ranges::find_if(facts.nodes, [&](const pb::Node& node) { return node.name() == name; });
  return found == facts.nodes.end() ? nullptr : &*found;
}

// The network in which a publication meets a target.
std::string meeting(const NetworkFacts& facts, const std::string& site, const std::string& replica) {
  const pb::Facets* one = contract::find_facets(facts.header, site);
  const pb::Facets* other = contract::find_facets(facts.header, replica.substr(0, replica.rfind('-')));
  if (one == nullptr || other == nullptr) return "";
  for (const std::string& space : other->spaces()) {
    if (std::ranges::find(one->spaces(), space) != one->spaces().end()) return space;
  }
  return "";
}

void tell_port(const NetworkFacts& facts, const PublicationView& view, Why& why) {
  bool any = false;
  for (const GatewayView& node : view.gateways) {
    const pb::Node* record = node_named(facts, node.node);
    bool is_hidden = record != nullptr && record->addresses().hidden();
    bool works = node.serves && !is_hidden && !node.address.empty();
    any = any || works;
    std::string text = "port " + std::to_string(view.port) + " on " + node.node + " at " + node.address + " leads to " +
                       node.state_text;
    if (is_hidden) text += ", but " + node.node + " takes no calls (hidden): publish it at gateways";
    if (!node.serves) text += ", which does not serve";
    why.steps.push_back({text, works});
  }
  if (view.gateways.empty()) tell(why, view.workload + " leads to nothing that has a place", false);
  why.works = why.works && any;
}

// Works when one gateway that serves reaches one replica that does.
void tell_target(const NetworkFacts& facts, const PublicationView& view, const TargetView& target, Why& why, bool& any) {
  const pb::Node* to = node_named(facts, target.node);
  if (!target.serves || to == nullptr) {
    why.steps.push_back({target.replica + (target.node.empty() ? " has no place" : " on " + target.node + " does not serve"), false});
    return;
  }
  for (const GatewayView& gateway : view.gateways) {
    const pb::Node* from = node_named(facts, gateway.node);
    if (!gateway.serves || from == nullptr) continue;
    std::string text = gateway.node + " to " + target.replica + " port " + std::to_string(target.port) + ": ";
    if (target.is_by_tunnel) {
      any = true;
      why.steps.push_back({text + "through the tunnel that " + target.node + " opens to " + gateway.node, true});
      continue;
    }
    NodePath path = path_between(facts, *from, *to, meeting(facts, view.workload, target.replica));
    any = any || path.works();
    why.steps.push_back({text + (path.works() ? path.text : path.problem), path.works()});
  }
}

void tell_site(const NetworkFacts& facts, const PublicationView& view, Why& why) {
  const pb::Site& site = contract::find_body(facts.body, view.workload)->publish().site();
  if (!view.hosts.empty()) tell(why, "a stranger asks DNS for " + joined(view.hosts) + ", which leads to the gateways");
  bool has_gateway = false;
  for (const GatewayView& gateway : view.gateways) {
    has_gateway = has_gateway || gateway.serves;
    why.steps.push_back({"gateway: " + gateway.state_text + (gateway.address.empty() ? "" : ", at " + gateway.address), gateway.serves});
  }
  if (view.gateways.empty()) tell(why, "it stands on no gateway yet", false);
  why.works = why.works && has_gateway;
  if (site.allow_size() > 0) {
    tell(why, "only from " + joined({site.allow().begin(), site.allow().end()}) + ": others are turned away");
  }
  if (view.ends_tls) tell(why, "the gateway ends TLS, and reads what is said");
  bool any = false;
  for (const TargetView& target : view.targets) tell_target(facts, view, target, why, any);
  if (view.targets.empty()) tell(why, "there is nothing behind it", false);
  why.works = why.works && any;
}

}  // namespace

Result<Why> explain_from_internet(const NetworkFacts& facts, const ConnectionEnd& to) {
  std::vector<PublicationView> views = view_publications(facts);
  Why why;
  auto found = std::ranges::find_if(views, [&](const PublicationView& view) { return leads_to(view, to); });
  if (found == views.end()) {
    bool is_known = contract::find_facets(facts.header, to.name) != nullptr;
    std::vector<std::string> known;
    for (const PublicationView& view : views) known.push_back(view.workload);
    if (!is_known && !to.is_device) return make_error(Code::NotFound, not_found("publication", to.name, known));
    tell(why, "nothing publishes " + to.name + ":" + to.port + ": no network takes connections from outside", false);
    return why;
  }
  tell(why, "publication " + found->workload + " (" + found->mode + ") leads there");
  if (found->mode == "port") {
    tell_port(facts, *found, why);
  } else {
    tell_site(facts, *found, why);
  }
  return why;
}

}  // namespace mcloud::bot
