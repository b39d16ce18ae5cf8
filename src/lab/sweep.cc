#include "lab/sweep.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/log.h"

namespace mcloud::lab {

Result<io::Fd> claim_cluster(const std::string& id) {
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, id.data(), std::min(id.size(), sizeof address.sun_path - 1));
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + id.size());
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0) return fd;
  if (errno == EADDRINUSE) return make_error(Code::Conflict, "a cluster is running in this folder already");
  return errno_error(errno, "claim " + id);
}

bool is_cluster_alive(const std::string& id) { return !claim_cluster(id).has_value(); }

void sweep_dead_clusters(const Cgroups& cgroups) {
  for (const std::string& id : cgroups.clusters()) {
    if (is_cluster_alive(id)) continue;
    Status removed = cgroups.remove(id, 0);
    if (!removed.has_value())
      log::warning("lab", "control groups stay", {{"cluster", id}, {"reason", removed.error().message}});
  }
}

}  // namespace mcloud::lab
