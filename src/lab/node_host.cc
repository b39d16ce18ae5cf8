#include "lab/node_host.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "io/clock.h"
#include "lab/bird.h"
#include "lab/logs.h"
#include "lab/namespaces.h"
#include "lab/wiring.h"
#include "network/netns.h"
#include "wire/json.h"

namespace mcloud::lab {
namespace {

constexpr uint64_t kReapTimeoutMs = 5'000;
constexpr uint64_t kBirdTimeoutMs = 2'000;

// bird's control protocol: lines "CODE text"; codes that begin with 0 end an answer, 8 and 9 are errors.
Result<std::string> bird_answer(int fd, uint64_t deadline_ms) {
  std::string text;
  while (true) {
    size_t line = 0;
    for (size_t end; (end = text.find('\n', line)) != std::string::npos; line = end + 1) {
      std::string one = text.substr(line, end - line);
      if (one.size() < 5 || one[4] != ' ') continue;
      if (one[0] == '0') return one;
      if (one[0] == '8' || one[0] == '9') return make_error(Code::Invalid, "bird: " + one);
    }
    uint64_t now = io::SystemClock().monotonic_ms();
    pollfd waiting{fd, POLLIN, 0};
    int ready = now >= deadline_ms ? 0 : ::poll(&waiting, 1, static_cast<int>(deadline_ms - now));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return make_error(Code::TimedOut, "bird does not answer");
    char buffer[4096];
    ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got <= 0 || text.size() > sizeof buffer * 16) return make_error(Code::Unavailable, "bird hung up");
    text.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace

Result<io::Fd> NodeHost::netns() const {
  if (!is_up()) return make_error(Code::NotFound, "node " + name() + " is down");
  return network::open_netns("/proc/" + std::to_string(child_->pid()) + "/ns/net");
}

Status NodeHost::write_configs(const std::vector<RingLink>& ring) const {
  const Folders& folders = surroundings_.folders;
  TRY(io::make_folders(folders.node(name()), 0700));
  TRY(io::write_file(folders.bird_config(name()), bird_config(index_, ring), io::Durability::None));
  nlohmann::json config = TRY(wire::parse_json(spec_.config_json));
  config.update({
      {"name", name()},
      {"data", folders.node(name())},
      {"runtime", "/run/mcloud"},
      {"cgroup", group()},
      {"uplink", {{"interface", kUplinkInterface}, {"address", uplink()}}},
      {"resolver", {kHubAddress}},  // nobody, unless a test puts a name server there
      {"forbidden", {kBackplaneRange, std::string(kHubAddress) + "/32", std::string(kHubAddress6) + "/128"}},
  });
  if (is_hidden()) {
    config["hidden"] = true;
  } else {
    config["uplink"]["endpoints"] = {uplink_address(index_), uplink_address6(index_)};
    config["backplane"] = {{"address", backplane_address(index_)}, {"range", kBackplaneRange}, {"mtu", kRingMtu}};
    config["services"] = {{{"name", "bird"}, {"command", bird_command(folders.bird_config(name()))}}};
  }
  if (is_gateway()) {
    config["relay"] = true;
    config["gateway"] = {{"domain", kGatewayDomain},
                         {"http_port", kGatewayHttpPort},
                         {"https_port", kGatewayHttpsPort},
                         {"tunnel_port", kGatewayTunnelPort}};
  }
  return io::write_file(folders.node_config(name()), wire::json_text(config, 2) + "\n", io::Durability::None, 0600);
}

Status NodeHost::reload_routing() const {
  if (!is_up()) return {};
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = "/proc/" + std::to_string(child_->pid()) + "/root" + kBirdControl;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(errno, "reach bird of node " + name());
  }
  uint64_t deadline = io::SystemClock().monotonic_ms() + kBirdTimeoutMs;
  TRY(bird_answer(fd.get(), deadline));  // its greeting
  std::string command = "configure\n";
  if (::send(fd.get(), command.data(), command.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(command.size())) {
    return errno_error(errno, "tell bird of node " + name());
  }
  TRY(bird_answer(fd.get(), deadline));
  return {};
}

Status NodeHost::start(const io::Fd& netns) {
  if (is_up()) return make_error(Code::Conflict, "node " + name() + " is up already");
  TRY(surroundings_.cgroups.create(group()));
  io::Fd log = TRY(open_log(surroundings_.folders, name()));
  Enclosure enclosure;
  enclosure.command.arguments = surroundings_.node_command;
  enclosure.command.arguments.push_back(surroundings_.folders.node_config(name()));
  enclosure.output = log.get();
  enclosure.cgroups = surroundings_.cgroups.entrances(group());
  enclosure.netns = netns.get();
  enclosure.host_name = name();
  enclosure.hybrid_mount = surroundings_.cgroups.hybrid_mount();
  auto child = start_enclosed(std::move(enclosure));
  if (!child.has_value()) return child.error().with_context("start node " + name());
  child_ = std::move(child).value();
  return {};
}

// The kernel answers pings, and WireGuard's with them, until it has put away the namespaces of who is dead, which takes a
// second where there are many. Without power no cable carries anything.
void NodeHost::kill() {
  if (!is_up()) return;
  if (auto own = netns(); own.has_value()) {
    Status unplugged = unplug(*own);
    if (!unplugged.has_value()) log::warning("lab", "a cable stays", {{"node", name()}, {"reason", unplugged.error().message}});
  }
  child_->signal(SIGKILL);
}

void NodeHost::finish() {
  if (!is_up()) return;
  // The kernel lets pid 1 be reaped only when everything else in its namespace has ended.
  auto code = child_->wait(kReapTimeoutMs);
  exit_code_ = code.has_value() && code->has_value() ? **code : -1;
  child_.reset();
  Status removed = surroundings_.cgroups.remove(group(), 1'000);
  if (!removed.has_value())
    log::warning("lab", "control groups stay", {{"node", name()}, {"reason", removed.error().message}});
}

}  // namespace mcloud::lab
