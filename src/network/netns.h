// Network namespaces: make, pin to a path, enter for a moment. All act on the calling thread only.
#pragma once

#include <cstdint>
#include <string>

#include "io/file.h"

namespace mcloud::network {

// The calling thread's network namespace.
Result<io::Fd> own_netns();
// A new, empty one; the thread stays where it is. It lives while a descriptor, a mount or a process holds it.
Result<io::Fd> create_netns();
Result<io::Fd> open_netns(const std::string& path);  // NotFound, or Invalid when it is no network namespace

// The kernel's number of it, unique while it lives.
Result<uint64_t> netns_number(const io::Fd& netns);

// Mounts it at `path` (made when absent), as `ip netns` does. Replaces a plain file, not a mount.
Status pin_netns(const io::Fd& netns, const std::string& path);
// Unmounts and removes; absent is fine.
Status unpin_netns(const std::string& path);
bool is_pinned_netns(const std::string& path);

// In another network namespace until destroyed; ends the process if it cannot come back.
class NetnsScope {
 public:
  static Result<NetnsScope> enter(const io::Fd& netns);
  NetnsScope(NetnsScope&& other) noexcept = default;
  NetnsScope& operator=(NetnsScope&&) = delete;
  ~NetnsScope();

 private:
  explicit NetnsScope(io::Fd home) : home_(std::move(home)) {}
  io::Fd home_;
};

// Sets /proc/sys/net/NAME ("ipv4/ip_forward") of the thread's network namespace.
Status set_net_sysctl(const std::string& name, const std::string& value);
Result<std::string> net_sysctl(const std::string& name);  // without the line break

}  // namespace mcloud::network
