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
  virtual ~MeshMachine() = default;

  // The namespace of the mesh, before VXLAN devices are put into it.
  virtual Status prepare() = 0;

  // One wish for the mesh and one for each dedicated network; the namespaces of the latter must be there (network/machine.h),
  // that of the mesh is made here when it is not. Without wishes nothing is left: call it so after
  // the networks have gone. Goes on past what fails, returns the first error; the number of steps done otherwise.
  // `devices`: of others, in the same way (people's access points).
  virtual Result<size_t> apply(const std::vector<MeshWish>& wishes, const std::vector<WireGuardDevice>& devices) = 0;
  Result<size_t> apply(const std::vector<MeshWish>& wishes) { return apply(wishes, {}); }

  // What the devices say of their peers now.
  virtual Result<std::vector<ActualDevice>> read() = 0;
  // False when something apply() made has died: apply again.
  virtual bool is_alive() = 0;
  virtual bool is_kernel() const = 0;
};

}  // namespace mcloud::network
