// The mesh of this machine as a whole: its namespace, its WireGuard devices, the rules of relays. What a node's agent
// calls; network/mesh.h says what is wanted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network/mesh.h"

namespace mcloud::network {

// Needs root. Works in the calling thread's network namespace, always the same one (the node's). For one thread at a time.
class MeshMachine {
 public:
  // As WireGuard::open().
  static Result<std::unique_ptr<MeshMachine>> open(const WireGuard::Options& options);
  ~MeshMachine();

  // One wish for the mesh and one for each dedicated network; the namespaces of the latter must be there (network/machine.h),
  // that of the mesh is made here, before VXLAN devices are put into it. Without wishes nothing is left: call it so after
  // the networks have gone. Goes on past what fails, returns the first error; the number of steps done otherwise.
  // `devices`: of others, in the same way (people's access points).
  Result<size_t> apply(const std::vector<MeshWish>& wishes, const std::vector<WireGuardDevice>& devices = {});

  // What the devices say of their peers now.
  Result<std::vector<ActualDevice>> read();
  // False when something apply() made has died: apply again.
  bool is_alive();
  bool is_kernel() const;

 private:
  MeshMachine(std::string netns_folder, std::unique_ptr<WireGuard> wireguard);
  std::string netns_folder_;
  std::unique_ptr<WireGuard> wireguard_;
};

}  // namespace mcloud::network
