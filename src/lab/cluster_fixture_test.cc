#include "lab/cluster_fixture.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "io/clock.h"
#include "io/file.h"
#include "lab/cgroups.h"
#include "network/links.h"
#include "network/netns.h"

namespace mcloud::lab {
namespace {

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

std::vector<std::string> mounts_now() {
  std::vector<std::string> out;
  std::istringstream text(io::read_file("/proc/self/mounts").value());
  for (std::string line; std::getline(text, line);) out.push_back(line);
  return out;
}

std::vector<std::string> links_now() {
  std::vector<std::string> out;
  auto links = network::Links::open();
  for (const network::Link& link : links->list().value()) out.push_back(link.name);
  return out;
}

int parent_of(int pid) {
  std::string status = io::read_file("/proc/" + std::to_string(pid) + "/status").value_or("");
  size_t place = status.find("\nPPid:\t");
  return place == std::string::npos ? 0 : std::atoi(status.c_str() + place + 7);
}

std::set<std::string> namespaces_of(const std::string& pid) {
  std::set<std::string> out;
  for (const char* kind : {"net", "pid", "mnt"}) {
    char target[64];
    ssize_t got = ::readlink(("/proc/" + pid + "/ns/" + kind).c_str(), target, sizeof target);
    if (got > 0) out.emplace(target, static_cast<size_t>(got));
  }
  return out;
}

io::Fd socket_in(const NodeStatus& node) {
  io::Fd netns = network::open_netns("/proc/" + std::to_string(node.pid1) + "/ns/net").value();
  auto scope = network::NetnsScope::enter(netns).value();
  return io::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

uint64_t ticks_of_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec * 100 + now.tv_nsec / 10'000'000);
}

// proc(5): field 22 of stat, counted after the name, which may hold anything.
uint64_t start_ticks_of(const std::string& pid) {
  std::string stat = io::read_file("/proc/" + pid + "/stat").value_or("");
  size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return std::stoull(field);
}

sockaddr_in socket_address(const std::string& address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

// How a node sends to an address, in the words of `ip route get`.
std::string route(const NodeStatus& from, const std::string& to) {
  io::Command command;
  command.arguments = {"nsenter", "-t", std::to_string(from.pid1), "-n", "ip", "route", "get", to};
  auto outcome = io::run(command, {.timeout_ms = 5'000});
  return outcome.has_value() && outcome->exit_code == 0 ? outcome->output : "";
}

bool is_ring_whole(const ClusterStatus& status) {
  for (size_t i = 0; i < status.nodes.size(); ++i) {
    for (const NodeStatus& other : status.nodes) {
      const NodeStatus& node = status.nodes[i];
      if (other.name == node.name) continue;
      std::string way = route(node, other.address);
      // Two nodes have two equal ways and use both.
      bool is_next = status.nodes.size() > 2 && other.name == status.nodes[(i + 1) % status.nodes.size()].name;
      if (way.find(is_next ? "dev ring-next" : "dev ring-") == std::string::npos) return false;
    }
  }
  return true;
}

}  // namespace

bool can_run_clusters() {
  std::string missing;
  if (::geteuid() != 0) missing = "root";
  if (::access("/usr/sbin/bird", X_OK) != 0) missing = "bird2";
  if (!Cgroups::find().has_value()) missing = "control groups";
  if (!missing.empty()) MESSAGE("skipped: needs " << missing);
  return missing.empty();
}

Options test_options(const std::string& folder, size_t nodes) {
  Options options;
  options.folder = folder;
  options.self = {"/proc/self/exe", "--no-skip", "--test-case=lab process", "--"};
  // Stands for the node's supervisor: starts the routing daemon and stays.
  options.node_command = {"/bin/sh", "-c",
                          "bird -f -c \"$(dirname \"$0\")/bird.conf\" -s /run/mcloud-bird.ctl & "
                          "while :; do wait; sleep 1000; done"};
  for (size_t i = 1; i <= nodes; ++i) options.nodes.push_back({"n" + std::to_string(i), "{}"});
  return options;
}

Traces::Traces(const ClusterStatus& status) : id_(status.id), folder_(status.folder), now_ticks_(ticks_of_now()) {
  root_ = parent_of(status.nodes[0].pid1);
  keeper_ = parent_of(root_);
  REQUIRE_GT(root_, 1);
  REQUIRE_GT(keeper_, 1);
  std::set<std::string> own = namespaces_of("self");
  std::vector<int> pids = {root_};
  for (const NodeStatus& node : status.nodes) pids.push_back(node.pid1);
  for (int pid : pids) {
    for (const std::string& one : namespaces_of(std::to_string(pid))) {
      if (!own.contains(one)) namespaces_.insert(one);
    }
  }
  CHECK_EQ(namespaces_.size(), 3 * pids.size());
}

std::string Traces::left_now() const {
  std::string out;
  for (const std::string& pid : io::list_folder("/proc").value()) {
    if (pid[0] < '0' || pid[0] > '9' || start_ticks_of(pid) > now_ticks_) continue;
    for (const std::string& one : namespaces_of(pid)) {
      if (namespaces_.contains(one)) out += "process " + pid + " in " + one + "\n";
    }
  }
  if (::access(("/proc/" + std::to_string(keeper_)).c_str(), F_OK) == 0) out += "the keeper\n";
  auto cgroups = Cgroups::find();
  for (const std::string& name : cgroups->clusters()) {
    if (name == id_) out += "control group " + name + "\n";
  }
  for (const std::string& mount : mounts_now()) {
    bool is_ours = mount.find(id_) != std::string::npos || mount.find(folder_) != std::string::npos;
    if (is_ours) out += "mount " + mount + "\n";
  }
  for (const std::string& link : links_now()) {
    if (link.starts_with("up-") || link.starts_with("ring-") || link == "uplink") out += "link " + link + "\n";
  }
  if (::access("/run/mcloud-bird.ctl", F_OK) == 0) out += "/run/mcloud-bird.ctl\n";
  if (::access((folder_ + "/control.sock").c_str(), F_OK) == 0) out += "control.sock\n";
  return out;
}

std::string Traces::left() const {
  uint64_t deadline = now_ms() + 10'000;
  while (true) {
    std::string out = left_now();
    if (out.empty() || now_ms() >= deadline) return out;
    ::usleep(20'000);  // a stranger's end is not announced
  }
}

bool wait_for_ring(const ClusterStatus& status) {
  uint64_t deadline = now_ms() + 15'000;
  while (!is_ring_whole(status)) {
    if (now_ms() >= deadline) return false;
    ::usleep(50'000);
  }
  return true;
}

Stream::Stream(const NodeStatus& from, const NodeStatus& to) {
  io::Fd server = socket_in(to);
  sockaddr_in address = socket_address(to.address, 0);
  REQUIRE_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  REQUIRE_EQ(::listen(server.get(), 1), 0);
  socklen_t size = sizeof address;
  REQUIRE_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  client_ = socket_in(from);
  sockaddr_in own = socket_address(from.address, 0);
  REQUIRE_EQ(::bind(client_.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  REQUIRE_EQ(::connect(client_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  served_ = io::Fd(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  int on = 1;
  for (const io::Fd* fd : {&client_, &served_}) ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int Stream::run(int duration_ms) {
  uint64_t end = now_ms() + static_cast<uint64_t>(duration_ms);
  int worst = 0;
  char byte = 'x';
  while (now_ms() < end) {
    uint64_t start = now_ms();
    // There and back.
    for (auto [from, to] : {std::pair(&client_, &served_), std::pair(&served_, &client_)}) {
      if (::send(from->get(), &byte, 1, MSG_NOSIGNAL) != 1) return -1;
      pollfd waiting{to->get(), POLLIN, 0};
      if (::poll(&waiting, 1, 10'000) != 1 || ::recv(to->get(), &byte, 1, 0) != 1) return -1;
    }
    worst = std::max(worst, static_cast<int>(now_ms() - start));
    ::usleep(2'000);
  }
  return worst;
}

}  // namespace mcloud::lab
