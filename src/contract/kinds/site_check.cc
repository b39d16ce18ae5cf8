#include <algorithm>
#include <set>

#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/kinds/network.h"
#include "contract/kinds/reachable.h"
#include "contract/kinds/service.h"
#include "contract/kinds/site.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

class SiteCheck {
 public:
  SiteCheck(const Contract& contract, const Workload& workload, const Site& site, Report& report)
      : contract_(contract),
        workload_(workload),
        site_(site),
        report_(report),
        field_("workloads." + workload.name.value),
        mode_(mode_of(contract, site)) {}

  void run() {
    for (const SiteRoute& route : site_.routes) check_route(route);
    check_mode();
    check_tls();
    check_names();
    check_port();
    check_networks(contract_, workload_, site_.networks, report_);
    check_spaces();
    check_service(contract_, workload_, {site_.placement, gateways_of(site_), kGatewayLabel}, report_);
  }

 private:
  void complain(Place place, std::string_view key, std::string_view message, const Report::Hint& hint = {}) {
    report_.add(place, child_path(field_, key), message, hint);
  }

  // "udp" of a raw UDP port, else "tcp".
  std::string_view protocol() const { return mode_ == pb::SITE_UDP ? "udp" : "tcp"; }

  void check_backend(const Backend& backend, const std::string& field) {
    const bool is_raw = site_.port.has_value();
    const Workload* target =
        is_raw ? refer_any<Container, Kv>(contract_, backend.target, field, "container or kv", report_)
               : refer_any<Container>(contract_, backend.target, field, "container", report_);
    if (target == nullptr) return;
    check_target(contract_, *target, {backend.target, backend.port}, field, report_);
    std::optional<Port> port = target_port(contract_, backend.target.value, backend.port.value);
    if (!port || port->protocol == protocol()) return;
    report_.add(
        backend.target.place, field, "port " + port->name + " of \"" + backend.target.value + "\" is " + port->protocol,
        {is_raw ? "ports of one protocol" : "tcp; udp by its port: at: gateways, port: " + std::to_string(port->number),
         ""});
  }

  void check_route(const SiteRoute& route) {
    const std::string field = field_ + (route.path.empty() ? ".to" : ".routes." + route.path);
    std::set<std::pair<std::string, uint32_t>> seen;
    for (const Backend& backend : route.backends) {
      check_backend(backend, field);
      std::optional<Port> port = target_port(contract_, backend.target.value, backend.port.value);
      if (port && !seen.emplace(backend.target.value, port->number).second) {
        report_.add(backend.target.place, field, "\"" + backend.target.value + "\" stands here twice");
      }
    }
    if (route.strip && (route.path.empty() || route.path == "/")) {
      report_.add(route.place, field + ".strip", "there is no prefix to take off");
    }
  }

  // What only HTTP has.
  void check_mode() {
    if (mode_ == pb::SITE_HTTP) return;
    const std::string what =
        std::string("needs HTTP, and it ") + (mode_ == pb::SITE_TLS ? "passes TLS through" : "forwards a port");
    for (const SiteRoute& route : site_.routes) {
      if (!route.path.empty()) return complain(route.place, "routes", what, {"to: WORKLOAD:PORT", ""});
      for (const Text& option : route.options) {
        const bool is_check = option.value == "check" && mode_ != pb::SITE_UDP && !route.check_path;
        if (option.value != "balance" && !is_check) complain(option.place, option.value, what);
      }
    }
    if (site_.body_max_bytes) complain(site_.body_max_bytes->place, "body_max", what);
    if (site_.response_ms) complain(site_.response_ms->place, "timeouts.response", what);
    if (site_.request_ms && mode_ != pb::SITE_TLS) complain(site_.request_ms->place, "timeouts.request", what);
    if (mode_ == pb::SITE_UDP) check_udp();
  }

  void check_udp() {
    constexpr std::string_view kWhy = "UDP has no connections";
    for (const SiteRoute& route : site_.routes) {
      if (!route.balance || route.balance->value == pb::BALANCE_ROUND_ROBIN) continue;
      complain(route.balance->place, "balance", "UDP goes to its replicas in turn", {"round-robin", "round-robin"});
    }
    if (site_.connect_ms) complain(site_.connect_ms->place, "timeouts.connect", kWhy);
    if (site_.idle_ms) complain(site_.idle_ms->place, "timeouts.idle", kWhy);
    if (site_.retries.value_or(0) > 0) complain(workload_.name.place, "retries", kWhy);
  }

  void check_tls() {
    const bool ends_tls =
        site_.tls && (site_.tls->how == SiteTls::How::Acme || site_.tls->how == SiteTls::How::Supplied);
    if (site_.port && site_.tls && site_.tls->how != SiteTls::How::None) {
      complain(site_.tls->place, "tls", "a raw port is forwarded as it comes", {"with a name or domains", ""});
    }
    if (ends_tls) return;
    if (site_.redirect && site_.redirect->value)
      complain(site_.redirect->place, "redirect", "leads to https, which there is not", {"tls: acme", ""});
    if (site_.hsts_ms && site_.hsts_ms->value > 0)
      complain(site_.hsts_ms->place, "hsts", "speaks of https, which there is not", {"tls: acme", ""});
  }

  // Two of one contract under one name: neither could be told from the other.
  void check_names() {
    for (const Workload& other : contract_.workloads) {
      if (&other == &workload_) break;
      const Publish* publish = std::get_if<Publish>(&other.spec);
      if (publish == nullptr || !publish->site) continue;
      check_shared(site_.names, publish->site->names, "names", other.name.value);
      check_shared(site_.domains, publish->site->domains, "domains", other.name.value);
    }
  }
  void check_shared(const std::vector<Text>& ours, const std::vector<Text>& theirs, std::string_view key,
                    const std::string& other) {
    for (const Text& name : ours) {
      auto same = [&](const Text& candidate) { return candidate.value == name.value; };
      if (std::none_of(theirs.begin(), theirs.end(), same)) continue;
      complain(name.place, key, "\"" + name.value + "\" is published by \"" + other + "\" already");
    }
  }

  void check_port() {
    if (!site_.port) return;
    if (!site_.names.empty() || !site_.domains.empty()) {
      complain(site_.port->place, "port", "names and domains are served at the gateways' own ports",
               {"without port; or at: gateways without names", ""});
    }
    if (is_gateways_own(protocol(), site_.port->value)) {
      complain(site_.port->place, "port", claim_name(protocol(), site_.port->value) + " is the gateways' own",
               {"another port", ""});
    }
    for (const Workload& other : contract_.workloads) {
      if (&other == &workload_) break;
      const Publish* publish = std::get_if<Publish>(&other.spec);
      if (publish == nullptr || !publish->site || !publish->site->port ||
          publish->site->port->value != site_.port->value)
        continue;
      if ((mode_of(contract_, *publish->site) == pb::SITE_UDP) != (mode_ == pb::SITE_UDP)) continue;
      complain(site_.port->place, "port",
               claim_name(protocol(), site_.port->value) + " is published by \"" + other.name.value + "\" already");
    }
  }

  void check_spaces() {
    if (!site_.networks) return;
    for (const SiteTarget& target : targets_of(contract_, workload_)) {
      if (target.spaces.empty())
        complain(workload_.name.place, "networks", "\"" + target.name + "\" stands in none of them");
    }
    for (const Text& network : *site_.networks) {
      std::vector<SiteTarget> targets = targets_of(contract_, workload_);
      auto stands = [&](const SiteTarget& target) { return contains(target.spaces, network.value); };
      if (contract_.find_as<Network>(network.value) == nullptr || std::any_of(targets.begin(), targets.end(), stands))
        continue;
      complain(network.place, "networks", "none of its targets stands in \"" + network.value + "\"");
    }
  }

  const Contract& contract_;
  const Workload& workload_;
  const Site& site_;
  Report& report_;
  std::string field_;
  pb::SiteMode mode_;
};

}  // namespace

void check_site(const Contract& contract, const Workload& workload, const Site& site, Report& report) {
  SiteCheck(contract, workload, site, report).run();
}

void check_target(const Contract& contract, const Workload& target, const TargetName& name, const std::string& field,
                  Report& report) {
  const Reachable found = reachable(target).value_or(Reachable{});
  if (found.networks == nullptr) return;
  if (spaces_of(contract, *found.networks).empty()) {
    report.add(name.target.place, field, "\"" + name.target.value + "\" stands in no network");
  }
  if (target_port(contract, name.target.value, name.port.value)) return;
  std::vector<std::string> names;
  for (const Port& port : found.ports) names.push_back(port.name);
  const std::string target_name = "\"" + name.target.value + "\"";
  if (names.empty()) {
    report.add(name.target.place, field, target_name + " has no ports: give it some, such as ports: {http: 80}");
  } else if (name.port.value.empty()) {
    report.add(name.target.place, field, target_name + " has several ports: name one",
               {joined_names(names), name.target.value + ":" + names.front()});
  } else {
    std::string nearest = nearest_spelling(name.port.value, names);
    report.add(name.target.place, field, target_name + " has no port \"" + name.port.value + "\"",
               {joined_names(names), nearest.empty() ? "" : name.target.value + ":" + nearest});
  }
}

}  // namespace mcloud::contract
