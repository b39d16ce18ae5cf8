#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include "base/log.h"
#include "crypto/hash.h"
#include "io/clock.h"
#include "io/process.h"
#include "network/links.h"
#include "network/netns.h"
#include "network/wireguard_backend.h"
#include "network/wireguard_links.h"
#include "network/wireguard_process.h"
#include "network/wireguard_uapi.h"

namespace mcloud::network {
namespace {

constexpr std::string_view kPrefix = "mw-";  // of what wireguard-go's devices and sockets are called at first
constexpr size_t kFirstNameSize = 15;
constexpr uint64_t kReadyMs = 3'000;
constexpr time_t kYoungSeconds = 10;

void pause_shortly() {
  timespec pause{0, 2'000'000};
  ::nanosleep(&pause, nullptr);
}

bool is_first_name(std::string_view name) { return name.starts_with(kPrefix) && name.size() == kFirstNameSize; }

class UserspaceWireGuard final : public WireGuardBackend {
 public:
  explicit UserspaceWireGuard(const WireGuard::Options& options) : options_(options) {}
  bool is_kernel() const override { return false; }
  std::string link_kind() const override { return "tun"; }

  Status create(const DeviceSpot& spot, const io::Fd& netns) override {
    TRY(io::make_folders(options_.uapi_folder, 0700));
    std::string first = first_name(spot);
    TRY(start_wireguard_go(first, socket(spot)));
    alive_[spot] = wireguard_go_at(socket(spot));
    Links here = TRY(Links::open());
    Link link = TRY(here.get(first));
    WireGuardLinks links = TRY(WireGuardLinks::open());
    return links.move(link.index, spot.name, netns.get());
  }

  // wireguard-go looks once a second whether its link is up; then it binds its port.
  Status wait_ready(const DeviceSpot& spot, uint16_t port) override {
    uint64_t deadline = io::SystemClock().monotonic_ms() + kReadyMs;
    while (!has_udp_port(alive_[spot], port)) {
      if (!is_alive(spot)) return make_error(Code::Unavailable, "wireguard-go ended when its device came up");
      if (io::SystemClock().monotonic_ms() >= deadline) {
        return make_error(Code::TimedOut, "wireguard-go does not take UDP port " + std::to_string(port) +
                                              " within 3 s: does another program have it?");
      }
      pause_shortly();
    }
    widen_sockets(alive_[spot]);
    return {};
  }

  Status configure(const DeviceSpot& spot, const io::Fd&, const ConfigChange& change) override {
    std::string text = TRY(ask_wireguard_go(socket(spot), uapi_set(change)));
    return parse_uapi_outcome(text);
  }

  Result<ConfigState> config(const DeviceSpot& spot, const io::Fd&) override {
    std::string text = TRY(ask_wireguard_go(socket(spot), kUapiGet));
    ConfigState out = TRY(parse_uapi_device(text));
    if (!is_alive(spot)) alive_[spot] = wireguard_go_at(socket(spot));
    return out;
  }

  Status clean(const DeviceSpot& spot) override {
    alive_.erase(spot);
    Links links = TRY(Links::open());
    TRY(links.remove(first_name(spot)));
    return end_wireguard_go(socket(spot));
  }

  void sweep() override;

  bool is_alive(const DeviceSpot& spot) override {
    auto found = alive_.find(spot);
    return found != alive_.end() && is_running(found->second);
  }

 private:
  // wireguard-go's socket bears the name its device has when it starts, and all sockets stand in one folder; devices of
  // several namespaces may have one name. So each starts with a name that is only its own.
  std::string first_name(const DeviceSpot& spot) const {
    Hash hash = crypto::blake2b(options_.netns_folder + '\0' + spot.netns + '\0' + spot.name);
    return std::string(kPrefix) + hash.hex().substr(0, kFirstNameSize - kPrefix.size());
  }
  std::string socket(const DeviceSpot& spot) const { return options_.uapi_folder + "/" + first_name(spot) + ".sock"; }

  WireGuard::Options options_;
  std::map<DeviceSpot, WireGuardProcess> alive_;
};

// Links of a first name here are half made; a socket where nobody listens is a dead process'.
void UserspaceWireGuard::sweep() {
  auto links = Links::open();
  auto all = links.has_value() ? links->list() : Result<std::vector<Link>>(links.error());
  if (all.has_value()) {
    for (const Link& link : *all) {
      if (is_first_name(link.name)) static_cast<void>(links->remove(link.name));
    }
  }
  auto names = io::list_folder(options_.uapi_folder);
  if (!names.has_value()) return;
  for (const std::string& name : *names) {
    if (!name.ends_with(".sock") || !is_first_name(std::string_view(name).substr(0, name.size() - 5))) continue;
    std::string path = options_.uapi_folder + "/" + name;
    struct stat about{};
    // A young one may be about to listen.
    bool is_old = ::lstat(path.c_str(), &about) == 0 && about.st_mtime + kYoungSeconds < ::time(nullptr);
    if (is_old && !wireguard_go_at(path).pidfd.is_open()) static_cast<void>(::unlink(path.c_str()));
  }
}

}  // namespace

Result<std::unique_ptr<WireGuardBackend>> open_userspace_wireguard(const WireGuard::Options& options) {
  auto version = io::run({.arguments = {"wireguard-go", "--version"}}, {.timeout_ms = 5'000});
  if (!version.has_value()) return make_error(Code::Unsupported, version.error().message);
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) return make_error(Code::Unsupported, "/dev/net/tun cannot be used");
  return std::unique_ptr<WireGuardBackend>(new UserspaceWireGuard(options));
}

}  // namespace mcloud::network
