#include "gateway/tunnel/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>

#include "base/log.h"
#include "gateway/tunnel/address.h"
#include "gateway/tunnel/targets.h"
#include "gateway/tunnel/tunnel_tls.h"
#include "io/clock.h"

namespace mcloud::gateway {
namespace {

constexpr int kTickMs = 250;

// What an earlier process left would refuse connections, as it should; but it is rubbish.
void remove_sockets(const std::string& folder) {
  auto names = io::list_folder(folder);
  if (!names) return;
  for (const std::string& name : *names) {
    std::string path = folder + "/" + name;
    struct stat info;
    if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) unlink(path.c_str());
  }
}

}  // namespace

Result<std::unique_ptr<TunnelServer>> TunnelServer::start(const Options& options, const crypto::SigningKey& node_key) {
  auto server = std::make_unique<Server>(options, TRY(Poller::create()));
  TRY(server->begin(node_key));
  return std::unique_ptr<TunnelServer>(std::move(server));
}

Status Server::begin(const crypto::SigningKey& node_key) {
  tls_ = TRY(tunnel_tls(node_key, [this](const NodeId& node) { return peers_.contains(node); }));
  TRY(io::make_folders(options_.targets_folder, 0755));
  remove_sockets(options_.targets_folder);
  raise_descriptor_limit();
  TRY(open_doors());
  thread_ = std::jthread([this] { run(); });
  return {};
}

Server::~Server() {
  if (!thread_.joinable()) return;
  poller_->post([this] { is_stopping_ = true; });
  thread_.join();
}

// All addresses are two sockets, so that each kind can be missing.
Status Server::open_doors() {
  bool is_any = options_.address.empty();
  port_ = options_.port;
  for (const char* any : {"0.0.0.0", "::"}) {
    Address address = TRY(make_address(is_any ? any : options_.address, port_));
    Result<io::Fd> fd = listen_on(address);
    if (!fd && is_any && !front_.empty()) break;  // a machine without IPv6
    io::Fd socket = TRY(
        std::move(fd).with_context("tunnel: " + (is_any ? any : options_.address) + " port " + std::to_string(port_)));
    port_ = bound_port(socket.get());
    front_.push_back(std::make_unique<Door>(*this, std::move(socket), Bytes()));
    TRY(poller_->add(front_.back()->socket.get(), *front_.back()));
    if (!is_any) break;
  }
  return {};
}

void Server::run() {
  uint64_t ticked_us = 0;
  while (!is_stopping_) {
    poller_->run_once(kTickMs);
    over_.clear();
    if (poller_->now_us() - ticked_us < kTickMs * 1000ull) continue;
    ticked_us = poller_->now_us();
    tick();
  }
  while (!visits_.empty()) visits_.begin()->second.link->end(make_error(Code::Cancelled, "the gateway stops"));
  over_.clear();
  targets_.clear();
  front_.clear();
}

void Server::tick() {
  std::vector<Link*> links;
  for (auto& [key, visit] : visits_) links.push_back(visit.link.get());
  for (Link* link : links) link->tick();
  for (auto& [name, target] : targets_) update_door(name, target);
  for (auto& door : front_) {
    if (door->is_starved) accept_all(*door);
  }
  for (auto& [name, target] : targets_) {
    if (target.door != nullptr && target.door->is_starved) accept_all(*target.door);
  }
}

// --- asked from other threads

template <typename Function>
auto Server::ask(Function function) const {
  std::promise<decltype(function())> answer;
  auto future = answer.get_future();
  poller_->post([&] { answer.set_value(function()); });
  return future.get();
}

void Server::set_peers(const std::vector<pb::LocalTunnelPeer>& peers) {
  ask([&] {
    put_peers(peers);
    return true;
  });
}

std::vector<pb::TunnelLink> Server::links() const {
  return ask([&] { return list_links(); });
}

std::vector<std::string> Server::reachable() const {
  return ask([&] {
    std::vector<std::string> names;
    for (const auto& [name, target] : targets_) {
      if (target.door != nullptr) names.push_back(target.door->path.substr(target.door->path.rfind('/') + 1));
    }
    std::sort(names.begin(), names.end());
    return names;
  });
}

void Server::put_peers(const std::vector<pb::LocalTunnelPeer>& peers) {
  std::map<NodeId, Peer> put;
  for (const pb::LocalTunnelPeer& peer : peers) {
    Result<NodeId> node = NodeId::from_bytes(peer.node());
    if (!node) continue;
    auto known = peers_.find(*node);
    Peer& entry = put[*node];
    if (known != peers_.end()) entry = std::move(known->second);
    entry.targets.clear();
    for (const pb::LocalTunnelTarget& target : peer.targets()) entry.targets.insert(target_bytes(target));
  }
  peers_ = std::move(put);
  std::vector<Link*> leaving;
  for (auto& [key, visit] : visits_) {
    if (visit.link->is_up() && !peers_.contains(visit.link->peer())) leaving.push_back(visit.link.get());
  }
  for (Link* link : leaving) link->end(make_error(Code::Denied, "this gateway does not expect the node"));
  for (auto& [name, target] : targets_) update_door(name, target);
}

std::vector<pb::TunnelLink> Server::list_links() const {
  std::vector<pb::TunnelLink> list;
  for (const auto& [node, peer] : peers_) {
    size_t before = list.size();
    for (const auto& [key, visit] : visits_) {
      if (!key->is_up() || key->peer() != node) continue;
      Link::Counts counts = key->counts();
      pb::TunnelLink& link = list.emplace_back();
      link.set_node(node.bytes());
      link.set_is_up(true);
      link.set_since_ms(visit.since_ms);
      link.set_streams(counts.streams);
      link.set_bytes_in(counts.bytes_in);
      link.set_bytes_out(counts.bytes_out);
      link.set_rtt_us(counts.rtt_us);
    }
    if (list.size() > before) continue;
    pb::TunnelLink& link = list.emplace_back();
    link.set_node(node.bytes());
    link.set_since_ms(peer.since_ms);
    link.set_message(peer.message.empty() ? "it has not come yet" : peer.message);
  }
  return list;
}

}  // namespace mcloud::gateway
