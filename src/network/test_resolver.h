// For this room's tests: a node's DNS server with networks that ask it.
#pragma once

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "io/process.h"
#include "network/firewall.h"
#include "network/links.h"
#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/resolver_config.h"
#include "testing/temporary_folder.h"

namespace mcloud::network {

inline bool can_resolve() {
  if (!can_make_networks()) return false;
  bool can = io::run({.arguments = {"unbound", "-V"}}).has_value() && io::run({.arguments = {"dig", "-v"}}).has_value();
  if (!can) MESSAGE("skipped: needs unbound and dig");
  return can;
}

// A node and `count` networks, each at the other end of a transit link.
struct ResolverBench {
  explicit ResolverBench(uint32_t count) : node{create_netns().value()} {
    REQUIRE_EQ(::chmod(folder.path().c_str(), 0755), 0);
    options.folder = folder / "resolver";
    NetnsScope scope = NetnsScope::enter(node.netns).value();
    Links links = Links::open().value();
    REQUIRE(links.set_up(links.get("lo").value().index).has_value());
    for (uint32_t i = 0; i < count; ++i) connect(links, i);
  }
  ~ResolverBench() {
    if (resolver != nullptr) apply({});
  }
  void connect(Links& links, uint32_t i) {
    networks.push_back({create_netns().value()});
    std::string name = transit_interface(i);
    REQUIRE(links.add_veth({.name = name}, {.name = "up0", .netns = networks.back().netns.get()}).has_value());
    Link link = links.get(name).value();
    REQUIRE(links.add_address(link.index, transit_node_address(i), 31).has_value());
    REQUIRE(links.add_address6(link.index, transit_node_address6(i), 127).has_value());
    REQUIRE(links.set_up(link.index).has_value());
    NetnsScope inner = NetnsScope::enter(networks.back().netns).value();
    Links inside = Links::open().value();
    Link up = inside.get("up0").value();
    REQUIRE(inside.add_address(up.index, transit_network_address(i), 31).has_value());
    REQUIRE(inside.set_up(up.index).has_value());
    REQUIRE(inside.add_default_route(transit_node_address(i)).has_value());
    REQUIRE(inside.add_address6(up.index, transit_network_address6(i), 127).has_value());
    REQUIRE(inside.add_default_route6(transit_node_address6(i)).has_value());
  }
  void open() {
    NetnsScope scope = NetnsScope::enter(node.netns).value();
    resolver = open_resolver(options).value();
  }
  void apply(const std::vector<NetworkNames>& names) {
    NetnsScope scope = NetnsScope::enter(node.netns).value();
    Status done = resolver->apply(names);
    if (!done.has_value()) FAIL(done.error().message);
  }
  // Lines of the answer, sorted; "NXDOMAIN" and the like when it is no answer.
  std::string ask(size_t network, const std::string& type, const std::string& name,
                  const std::string& server = kResolverAddress) const {
    int netns = networks[network].netns.get();
    io::Command command;
    command.arguments = {
        "dig", "+noall", "+answer", "+comments", "+time=1", "+tries=2", "@" + server,
        "-t",  type};
    if (type == "PTR") command.arguments.resize(command.arguments.size() - 2);
    command.arguments.push_back(type == "PTR" ? "-x" : name);
    if (type == "PTR") command.arguments.push_back(name);
    command.in_child = [netns] { static_cast<void>(::setns(netns, CLONE_NEWNET)); };
    std::istringstream output(io::run(command).value().output);
    std::vector<std::string> lines;
    std::string status = "no answer";
    for (std::string line; std::getline(output, line);) {
      if (size_t at = line.find("status: "); at != std::string::npos)
        status = line.substr(at + 8, line.find(',', at) - at - 8);
      std::istringstream fields(line);
      std::string owner, ttl, kind, found, data;
      fields >> owner >> ttl >> kind >> found;
      if (!owner.starts_with(";") && found == type && std::getline(fields >> std::ws, data)) lines.push_back(data);
    }
    std::sort(lines.begin(), lines.end());
    std::string out;
    for (const std::string& line : lines) out += (out.empty() ? "" : " | ") + line;
    return status != "NOERROR" ? status : out;
  }
  int pid() const { return std::stoi(io::read_file(resolver_pid_file(options)).value()); }

  testing::TemporaryFolder folder;
  ResolverOptions options;
  Place node;
  std::vector<Place> networks;
  std::unique_ptr<Resolver> resolver;
};

inline ServedMember member(const std::string& workload, uint32_t index, const std::string& v4, const std::string& v6 = "") {
  return {workload, index, ip(v4), v6, {{"http", "tcp", 80}}};
}

inline NetworkNames names_of(uint32_t network, std::vector<ServedMember> members) {
  return {1000 + network, transit_network_address(network), "hello", std::move(members)};
}

}  // namespace mcloud::network
