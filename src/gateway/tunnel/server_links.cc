// Who comes to the gateway's end, and where their connections are led.
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "gateway/tunnel/address.h"
#include "gateway/tunnel/server.h"
#include "gateway/tunnel/targets.h"
#include "io/clock.h"

namespace mcloud::gateway {
namespace {

constexpr size_t kGreetingMax = 256;  // strangers at a time
constexpr size_t kLinksMax = 16;      // of one node

}  // namespace

void Server::accept_all(Door& door) {
  door.is_starved = false;
  for (;;) {
    io::Fd socket(accept4(door.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.is_open() && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!socket.is_open()) {
      door.is_starved = errno != EAGAIN;  // looked at again at the next tick
      return;
    }
    if (door.target.empty())
      accept_node(std::move(socket));
    else
      take(door.target, std::move(socket));
  }
}

// --- nodes

void Server::accept_node(io::Fd socket) {
  auto link =
      Link::begin(std::move(socket), {.role = Session::Role::Gateway, .tls = tls_, .peer = {}}, *poller_, *this);
  if (!link) return log::warning("gateway", "tunnel: a connection is lost", {{"reason", link.error().message}});
  greeting_.emplace((*link)->begun_us(), link->get());
  Link* key = link->get();
  visits_[key].link = std::move(*link);
  // Whoever takes longest makes room: strangers cannot keep nodes out by waiting.
  if (greeting_.size() > kGreetingMax)
    greeting_.begin()->second->end(make_error(Code::Exhausted, "too many connections that say nothing"));
}

void Server::on_up(Link& link) {
  greeting_.erase({link.begun_us(), &link});
  auto peer = peers_.find(link.peer());
  if (peer == peers_.end()) return link.end(make_error(Code::Denied, "this gateway does not expect the node"));
  visits_[&link].since_ms = peer->second.since_ms = io::SystemClock().wall_ms();
  log::info("gateway", "tunnel: a node came", {{"node", link.peer().short_hex()}});
  bound_links(link);
}

// A node that dials again and again: the newest links are those that it means.
void Server::bound_links(const Link& newest) {
  std::vector<Link*> links;
  for (auto& [key, visit] : visits_) {
    if (key->is_up() && key->peer() == newest.peer()) links.push_back(visit.link.get());
  }
  if (links.size() <= kLinksMax) return;
  auto oldest =
      std::min_element(links.begin(), links.end(), [](Link* a, Link* b) { return a->begun_us() < b->begun_us(); });
  (*oldest)->end(make_error(Code::Exhausted, "the node has newer connections"));
}

void Server::on_announced(Link& link, uint32_t number, BytesView name) {
  Bytes bytes(name);
  if (!parse_target(name)) return link.end(make_error(Code::Corrupt, "what the node announces is no target"));
  visits_[&link].announced[number] = bytes;
  Target& target = targets_[bytes];
  target.ways.push_back({&link, number});
  update_door(bytes, target);
}

void Server::on_withdrawn(Link& link, uint32_t number) {
  auto& announced = visits_[&link].announced;
  auto found = announced.find(number);
  if (found == announced.end()) return;
  Bytes name = std::move(found->second);
  announced.erase(found);
  Target& target = targets_[name];
  std::erase_if(target.ways, [&](const Way& way) { return way.link == &link && way.number == number; });
  drop_way(name, link);
}

void Server::on_goaway(Link& link) {
  for (const auto& [number, name] : visits_[&link].announced) update_door(name, targets_[name]);
}

void Server::on_over(Link& link, const Error& why) {
  bool was_up = greeting_.erase({link.begun_us(), &link}) == 0;
  auto node = visits_.extract(&link);
  Visit& visit = node.mapped();
  for (const auto& [number, name] : visit.announced) {
    std::erase_if(targets_[name].ways, [&](const Way& way) { return way.link == &link; });
    drop_way(name, link);
  }
  auto peer = peers_.find(link.peer());
  if (peer != peers_.end()) {
    peer->second.message = why.message;
    peer->second.since_ms = io::SystemClock().wall_ms();
  }
  // Strangers may come as often as they like: they are not worth a line each.
  if (was_up) log::info("gateway", "tunnel: a node left", {{"node", link.peer().short_hex()}, {"reason", why.message}});
  over_.push_back(std::move(visit.link));
}

// --- their targets

void Server::drop_way(const Bytes& name, const Link&) {
  auto found = targets_.find(name);
  if (found == targets_.end()) return;
  update_door(name, found->second);
  if (found->second.ways.empty()) targets_.erase(found);
}

bool Server::is_usable(const Bytes& target, const Link& link) const {
  return link.is_up() && !link.is_draining() && !link.is_quiet() && is_allowed(target, link);
}

bool Server::is_allowed(const Bytes& target, const Link& link) const {
  auto peer = peers_.find(link.peer());
  return peer != peers_.end() && peer->second.targets.contains(target);
}

// A socket is there while its target can be reached: else HAProxy is refused at once, and goes elsewhere.
void Server::update_door(const Bytes& name, Target& target) {
  bool is_wanted =
      std::any_of(target.ways.begin(), target.ways.end(), [&](const Way& way) { return is_usable(name, *way.link); });
  if (is_wanted == (target.door != nullptr)) return;
  if (!is_wanted) {
    unlink(target.door->path.c_str());
    accept_all(*target.door);  // who came before it closed is told at once, too
    target.door.reset();
    return;
  }
  Result<pb::LocalTunnelTarget> parsed = parse_target(name);
  if (!parsed) return;
  std::string path = options_.targets_folder + "/" + target_socket_name(*parsed);
  Result<io::Fd> socket = listen_at(path, options_.group);
  if (!socket) return log::error("gateway", "tunnel: no socket for a target", {{"reason", socket.error().message}});
  target.door = std::make_unique<Door>(*this, std::move(*socket), name);
  target.door->path = path;
  Status added = poller_->add(target.door->socket.get(), *target.door);
  if (!added) target.door.reset();
}

// Through the link with fewest streams; closed when there is none.
void Server::take(const Bytes& name, io::Fd socket) {
  auto found = targets_.find(name);
  if (found == targets_.end()) return;
  std::vector<Way> ways = found->second.ways;
  std::sort(ways.begin(), ways.end(), [](const Way& a, const Way& b) { return a.link->streams() < b.link->streams(); });
  for (const Way& way : ways) {
    if (is_usable(name, *way.link) && way.link->offer(way.number, socket)) return;
  }
  // Rather a link that is quiet for the moment than none: nothing is read from the socket before the node has answered.
  for (const Way& way : ways) {
    if (is_allowed(name, *way.link) && way.link->offer(way.number, socket)) return;
  }
}

void Server::on_unopened(Link& link, uint32_t number, io::Fd socket) {
  auto visit = visits_.find(&link);
  if (visit == visits_.end()) return;
  auto name = visit->second.announced.find(number);
  if (name != visit->second.announced.end()) take(name->second, std::move(socket));
}

}  // namespace mcloud::gateway
