// Control groups of a cluster: `mcloud-ID/NAME` in every v1 hierarchy of this machine, or in v2's one.
// v1 folders outlive the processes in them, so whoever starts a cluster sweeps what is left of dead ones.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::lab {

class Cgroups {
 public:
  // Reads the mount table. Unsupported when no hierarchy is mounted.
  static Result<Cgroups> find();

  // `group` is a path like "mcloud-1a2b3c4d/n1"; parents are made. On v2 the controllers containers need are
  // switched on for its children.
  Status create(const std::string& group) const;
  // Where a process writes "0" to enter: a file per hierarchy. On v2 a leaf, "GROUP/supervisor", because a
  // group with children that have controllers holds no processes itself.
  std::vector<std::string> entrances(const std::string& group) const;
  // Removes the group with all below, trying for `timeout_ms` while ended processes still leave it.
  // Unavailable when some process stays.
  Status remove(const std::string& group, uint64_t timeout_ms) const;
  // The calling process goes to the top of every hierarchy, so that the group it was in can be removed.
  void leave() const;
  // Ids of clusters ("mcloud-" and 8 hexadecimal digits) that have groups here.
  std::vector<std::string> clusters() const;

  // "" or the place of the unified hierarchy next to v1 ones: container runtimes refuse it, so nodes unmount it.
  const std::string& hybrid_mount() const { return hybrid_mount_; }
  bool is_unified() const { return is_unified_; }

 private:
  std::vector<std::string> roots_;  // mount points
  std::string hybrid_mount_;
  bool is_unified_ = false;
};

}  // namespace mcloud::lab
