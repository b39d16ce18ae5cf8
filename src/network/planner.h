// plan() again and again, with the work of what changes: of 1,000 networks only those are sifted, compared and read again
// of which something was told, and those that contend with them for a name, a number or a port. Pure.
//
//   Planner planner;
//   planner.set("contract", {networks, publications});
//   do {
//     auto steps = planner.steps(read(planner.scope()));   // nullopt: the machine is not as it was left; read all of it
//     for each: execute it; planner.done(step) when it succeeded
//   } while something failed
//
// The steps are those of plan() for all groups in the order of their names (planner_test.cc compares them), as long as nobody
// else changes what was brought into order: doubt() has all looked at again.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "network/firewall.h"
#include "network/plan.h"
#include "network/transit_numbers.h"

namespace mcloud::network {

// What has to be read before steps can be planned.
struct Scope {
  bool everything = true;
  std::set<uint32_t> vnis;      // networks, of which some may not be there
  std::set<std::string> netns;  // namespaces of containers and portals, the same
};

class Planner {
 public:
  // Networks that come and go together, a contract's, with their publications. Of groups that contradict each other the one
  // with the lesser name wins.
  struct Wish {
    std::vector<Network> networks;
    std::vector<Publication> publications;
    bool operator==(const Wish&) const = default;
  };

  // What is the same for all networks: its own are ignored. Another one has all looked at again.
  void set_node(DesiredNetworks node);
  // The same wish as before costs nothing; an empty one removes the group.
  void set(const std::string& group, Wish wish);
  void remove(const std::string& group) { set(group, {}); }
  // Nothing is known of the machine any more.
  void doubt() { everything_ = true; }

  Scope scope() const;
  // `seen`: exactly what is in scope(); in any case the node's and the mesh's, and all portals. Without `everything` the sets
  // of sources are not looked at: they are known by the rules' revision. Nullopt: it is another one, so there is doubt.
  std::optional<std::vector<NetworkStep>> steps(ActualNetworks seen);
  // One of the last steps() has succeeded. Those that are never said to be done are among the next ones again.
  void done(const NetworkStep& step);

  // As complaints(), of what was sifted since the last call.
  std::vector<std::string> take_complaints() { return std::exchange(complaints_, {}); }
  // As access_devices(), of all groups as of the last steps().
  std::vector<WireGuardDevice> access_devices() const;

  // Networks looked at by the last steps(): the measure of its work.
  size_t visited() const { return visited_; }

 private:
  struct Group {
    Wish wish;
    Wish sifted;  // by the last steps(), like all that follows
    std::set<std::string> keys;
    Transits transits;
    size_t wanted_transits = 0;
    bool is_planned = false;
  };
  using Groups = std::map<std::string, Group>;
  using Sources = std::map<uint32_t, std::set<VxlanSource>>;  // by VNI

  // How much of all there is.
  struct Totals {
    size_t networks = 0, with_ipv6 = 0, meshed = 0;
  };

  std::set<std::string> closure() const;
  std::vector<Groups::iterator> part_of(const std::set<std::string>& keys);
  bool is_strange(const ActualNetworks& seen) const;
  void claim(const std::string& name, const std::set<std::string>& keys);
  void release(const std::string& name, const std::set<std::string>& keys);
  void leave(const std::string& name, Group& group);
  void enter(const std::string& name, Group& group, const Transits& transits);
  void remember_sources(const Group& group);
  void recall_sources(const Scope& scope, ActualNetworks& seen) const;
  DesiredNetworks sift_part(const std::vector<Groups::iterator>& part);
  const Rules& node_rules_with(const Transits& part);
  void add_target(const Group& group, uint32_t vni, DesiredNetworks& wish, Transits& transits) const;
  std::set<VxlanSource> all_sources(Underlay underlay) const;
  void note_open(const DesiredNetworks& part, const ActualNetworks& seen, const std::vector<NetworkStep>& steps);
  Sources& known_sources(Underlay underlay) { return underlay == Underlay::Plain ? plain_sources_ : mesh_sources_; }

  DesiredNetworks node_;
  Groups groups_;
  std::map<std::string, std::set<std::string>> claims_;  // what groups need for themselves -> those that do
  size_t wanted_transits_ = 0;
  TransitNumbers numbers_;
  std::set<uint32_t> portal_numbers_;
  Totals totals_;
  std::set<std::string> publishers_, with_access_;  // groups
  std::optional<Rules> rules_;                      // of the node

  bool everything_ = true;
  std::set<std::string> open_;            // keys of what is to be compared
  std::string node_revision_, mesh_revision_;
  Sources plain_sources_, mesh_sources_;  // what is in force, where it is not what was planned last
  std::vector<std::string> complaints_;
  size_t visited_ = 0;
};

}  // namespace mcloud::network
