// Inside this room only: the two kinds of WireGuard device there are, as far as they differ. Everything else about a
// device (addresses, routes, MTU) is the same link for both (wireguard_links.h).
#pragma once

#include <memory>

#include "io/file.h"
#include "network/wireguard_config.h"

namespace mcloud::network {

struct DeviceSpot {
  std::string name, netns;  // netns by name; "" = the node's
  auto operator<=>(const DeviceSpot&) const = default;
};

// Called in the node's network namespace. `netns` is the device's.
class WireGuardBackend {
 public:
  virtual ~WireGuardBackend() = default;
  virtual bool is_kernel() const = 0;
  virtual std::string link_kind() const = 0;

  // A link of that name, down. Whatever was there has been removed.
  virtual Status create(const DeviceSpot& spot, const io::Fd& netns) = 0;
  // Once the link is up: returns when packets pass.
  virtual Status wait_ready(const DeviceSpot& spot, uint16_t port) = 0;
  virtual Status configure(const DeviceSpot& spot, const io::Fd& netns, const ConfigChange& change) = 0;
  virtual Result<ConfigState> config(const DeviceSpot& spot, const io::Fd& netns) = 0;
  // What is left when the link is gone or must go; absent is fine.
  virtual Status clean(const DeviceSpot& spot) = 0;
  // What is left of nobody: half made, or of a process that died.
  virtual void sweep() = 0;
  virtual bool is_alive(const DeviceSpot& spot) = 0;
};

// Unsupported when this kernel makes no WireGuard devices.
Result<std::unique_ptr<WireGuardBackend>> open_kernel_wireguard();
// Unsupported when wireguard-go is not installed or cannot work here.
Result<std::unique_ptr<WireGuardBackend>> open_userspace_wireguard(const WireGuard::Options& options);

}  // namespace mcloud::network
