#include "gateway/gateway.h"

#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "gateway/gateway_process.h"
#include "gateway/words.h"
#include "io/file.h"

namespace mcloud::gateway {
namespace {

// HAProxy gives up root when there is the user that its package makes.
std::string unprivileged_user() { return ::geteuid() == 0 && ::getpwnam("haproxy") != nullptr ? "haproxy" : ""; }

bool machine_has_ipv6() {
  Result<Bytes> addresses = io::read_file("/proc/net/if_inet6", 1 << 20);
  return addresses.has_value() && !addresses->empty();
}

// Half of the descriptors that HAProxy may have, less what it needs itself.
uint32_t connections_max() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 1'000;
  return static_cast<uint32_t>(std::clamp<rlim_t>(files.rlim_max / 2, 600, 20'500) - 500);
}

Status prepare_folders(const HaproxyPaths& paths, const GatewayOptions& options) {
  TRY(io::make_folders(paths.folder, 0755));
  TRY(io::make_folders(paths.jail(), 0755));
  TRY(io::make_folders(paths.targets(), 0755));
  TRY(io::make_folders(options.data_folder, 0700));
  return io::make_folders(options.log_folder, 0755);
}

}  // namespace

Status run_gateway(const GatewayOptions& options, const crypto::SigningKey& node_key) {
  if (!is_file_path(options.folder)) {
    return make_error(Code::Invalid, "folder " + options.folder + " must be absolute, of letters, digits, '.', '_', '-' and '/'");
  }
  HaproxyPaths paths{options.folder, unprivileged_user(), machine_has_ipv6(), connections_max()};
  TRY(prepare_folders(paths, options));
  io::Fd lock = TRY(io::lock_file(options.folder + "/lock").with_context("another gateway process?"));
  return GatewayProcess(options, paths, node_key).run();
}

}  // namespace mcloud::gateway
