// Wishes for networks come from contracts, and aliases from the kernel, where anybody with the right may write them.
// Whatever is wished, planning ends, twice the same, the steps lead to where none is left, and planning by what changes
// takes the same ones; its text has no line of somebody else's making.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "network/aliases.h"
#include "network/mesh.h"
#include "network/plan.h"
#include "network/planner.h"
#include "network/test_plan_model.h"

namespace {

using namespace mcloud::network;

// Choices and texts out of the fuzzer's bytes.
class Source {
 public:
  Source(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint32_t below(uint32_t bound) { return next() % bound; }
  bool is_empty() const { return at_ >= size_; }
  std::string text() {
    std::string out;
    for (uint32_t left = below(8); left > 0; --left) out += static_cast<char>(next());
    return out;
  }

 private:
  uint32_t next() { return at_ < size_ ? data_[at_++] : 0; }
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

Ipv4 address(Source& source) { return Ipv4{0x0A2A0000 + source.below(12)}; }

Member member(Source& source) {
  static const char* const kNetns[] = {"a", "b", "c", "d", ""};
  Member out;
  out.netns = source.below(8) == 0 ? source.text() : kNetns[source.below(5)];
  out.interface = source.below(8) == 0 ? source.text() : "eth" + std::to_string(source.below(3));
  out.address = address(source);
  out.is_portal = source.below(4) == 0;
  return out;
}

void add_openings(Network& network, Source& source) {
  static const char* const kProtocols[] = {"tcp", "udp", "", "sctp"};
  for (uint32_t left = source.below(3); left > 0; --left) {
    AllowRule rule;
    for (uint32_t side = source.below(3); side > 0; --side) rule.from.push_back(address(source));
    for (uint32_t side = source.below(3); side > 0; --side) rule.to.push_back(address(source));
    rule.protocol = source.below(8) == 0 ? source.text() : kProtocols[source.below(4)];
    rule.port_first = static_cast<uint16_t>(source.below(100));
    rule.port_last = static_cast<uint16_t>(source.below(100));
    network.allow.push_back(rule);
  }
  for (uint32_t left = source.below(3); left > 0; --left) {
    Way way{kProtocols[source.below(4)], static_cast<uint16_t>(source.below(4)), address(source),
            static_cast<uint16_t>(source.below(4)), source.below(2) == 0 ? "" : member(source).netns};
    network.ways.push_back(way);
  }
  if (source.below(3) != 0) return;
  Access& access = network.access.emplace();
  access.portal = member(source).netns;
  access.port = static_cast<uint16_t>(source.below(3));
  access.secret.bytes[0] = static_cast<uint8_t>(source.below(2));
  for (uint32_t left = source.below(4); left > 0; --left) {
    Device& device = access.devices.emplace_back();
    device.key.bytes[0] = static_cast<uint8_t>(source.below(4));
    device.address = address(source);
  }
}

// Each network with its publications is a group.
std::vector<Planner::Wish> wish(Source& source, DesiredNetworks& out) {
  std::vector<Planner::Wish> groups;
  out.backplane = Ipv4{1};
  out.uplink = source.below(8) == 0 ? source.text() : "uplink";
  out.underlay_mtu = static_cast<int>(source.below(10'000));
  if (source.below(4) == 0) out.forbidden6 = {source.text(), "2001:db8::/32"};
  for (uint32_t left = source.below(4); left > 0; --left) {
    Planner::Wish& group = groups.emplace_back();
    Network& network = group.networks.emplace_back();
    network.name = source.below(8) == 0 ? source.text() : "default";
    network.vni = source.below(4);
    network.range = {Ipv4{0x0A2A0000}, static_cast<int>(source.below(34))};
    network.range6 = source.below(4) == 0 ? source.text() : ula_range("chain", network.vni);
    network.underlay = static_cast<Underlay>(source.below(3));
    if (source.below(8) == 0) network.bridge = source.below(2) == 0 ? source.text() : "lan0";
    network.restricted = source.below(2) == 0;
    for (uint32_t members = source.below(5); members > 0; --members) network.members.push_back(member(source));
    for (uint32_t remotes = source.below(5); remotes > 0; --remotes) {
      network.remotes.push_back({address(source), Ipv4{source.below(4)}});
    }
    add_openings(network, source);
    if (source.below(2) == 0) {
      Publication publication;
      publication.port = static_cast<uint16_t>(source.below(3));
      publication.vni = source.below(4);
      publication.targets = {{address(source), static_cast<uint16_t>(source.below(3))}};
      group.publications.push_back(publication);
    }
    out.networks.push_back(network);
    out.publications.insert(out.publications.end(), group.publications.begin(), group.publications.end());
  }
  return groups;
}

void expect(bool is_so, const char*) {
  if (!is_so) std::abort();
}

// The same steps by what changes.
void check_planner(Planner& planner, const ActualNetworks& actual, const std::vector<NetworkStep>& steps) {
  auto some = planner.steps(seen_in(actual, planner.scope()));
  expect(some.has_value() && *some == steps, "planning by what changes takes the same steps");
}

void check_alias(const std::string& alias) {
  auto shape = shape_from_alias(alias);
  if (shape.has_value()) expect(shape_from_alias(shape_alias(*shape)) == shape, "a shape reads back");
  auto portal = portal_from_alias(alias);
  if (portal.has_value()) expect(portal_from_alias(portal_alias(*portal)) == portal, "a portal reads back");
  static_cast<void>(member_from_alias(alias, Ipv4{1}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check_alias(std::string(reinterpret_cast<const char*>(data), size));
  Source source(data, size);
  PlanModel model{expect, {}};
  model.actual.has_mesh = source.below(2) == 0;
  Planner planner;
  for (int round = 0; round < 4 && !source.is_empty(); ++round) {
    DesiredNetworks desired;
    std::vector<Planner::Wish> groups = wish(source, desired);
    planner.set_node(desired);
    for (size_t i = 0; i < 4; ++i) planner.set(std::to_string(i), i < groups.size() ? groups[i] : Planner::Wish());
    auto steps = plan(desired, model.actual);
    check_planner(planner, model.actual, steps);
    if (!steps.empty() && source.below(3) == 0) {
      size_t until = source.below(static_cast<uint32_t>(steps.size()));
      for (size_t i = 0; i < until; ++i) {
        model.run(steps[i]);
        planner.done(steps[i]);
      }
      model.run_half(steps[until]);
      steps = plan(desired, model.actual);
      check_planner(planner, model.actual, steps);
    }
    for (const NetworkStep& step : steps) {
      model.run(step);
      planner.done(step);
      expect(describe(step).find('\n') == std::string::npos, "one line says it");
    }
    expect(plan(desired, model.actual).empty(), "nothing is left to do");
    check_planner(planner, model.actual, {});
    for (const WireGuardDevice& device : access_devices(desired)) expect(device.name == kAccessDevice, "an access device");
  }
  for (const NetworkStep& step : plan({}, model.actual)) model.run(step);
  expect(model.actual.networks.empty() && model.actual.netns.empty() && model.actual.portals.empty(), "nothing is left");
  return 0;
}
