#include "gateway/tunnel/client.h"

#include <algorithm>

#include "base/log.h"
#include "gateway/tunnel/targets.h"
#include "gateway/tunnel/tunnel_tls.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kPauseUsMin = 100'000, kPauseUsMax = 5'000'000;
constexpr uint64_t kGoodUs = 5'000'000;  // a link that lived so long was no failure
constexpr uint64_t kRestUs = 10'000'000;  // answers of UDP that come later than that are none
constexpr size_t kRestingMax = 4'096;     // of some 28,000 ports that the kernel gives

}  // namespace

Result<std::unique_ptr<Client>> Client::create(const crypto::SigningKey& node_key, int connections, Poller& poller) {
  std::unique_ptr<Client> client(new Client(poller, std::max(1, connections)));
  Client* self = client.get();
  client->tls_ = TRY(tunnel_tls(node_key, [self](const NodeId& node) { return self->gateways_.contains(node); }));
  return client;
}

Client::~Client() {
  is_draining_ = true;
  while (!visits_.empty()) visits_.begin()->second.link->end(make_error(Code::Cancelled, "the node's tunnel stops"));
}

// --- what is wanted

void Client::put(const pb::LocalTunnel& wanted) {
  std::map<NodeId, const pb::LocalTunnelGateway*> named;
  for (const pb::LocalTunnelGateway& gateway : wanted.gateways()) {
    Result<NodeId> node = NodeId::from_bytes(gateway.node());
    if (node) named[*node] = &gateway;
  }
  std::vector<Link*> leaving;
  for (auto& [key, visit] : visits_) {
    if (!named.contains(visit.link->peer())) leaving.push_back(visit.link.get());
  }
  std::erase_if(gateways_, [&](const auto& entry) {
    if (named.contains(entry.first)) return false;
    for (auto& [key, visit] : visits_) {
      if (visit.link->peer() == entry.first) visit.dialer = nullptr;
    }
    return true;
  });
  for (Link* link : leaving) link->end(make_error(Code::Cancelled, "the node does not need this gateway any more"));
  for (const auto& [node, gateway] : named) put_gateway(gateways_[node], node, *gateway);
}

void Client::put_gateway(Gateway& gateway, const NodeId& node, const pb::LocalTunnelGateway& wanted) {
  gateway.endpoints.assign(wanted.endpoints().begin(), wanted.endpoints().end());
  gateway.ways.clear();
  for (const pb::LocalTunnelWay& way : wanted.ways()) {
    Result<Address> address = make_address(way.address(), way.port());
    if (address)
      gateway.ways[target_bytes(way.target())] = {*address, way.target().udp()};
    else
      log::warning("gateway", "tunnel: a way leads nowhere", {{"reason", address.error().message}});
  }
  while (gateway.dialers.size() < static_cast<size_t>(connections_)) {
    gateway.dialers.push_back(std::make_unique<Dialer>());
    gateway.dialers.back()->gateway = node;
    gateway.dialers.back()->since_ms = io::SystemClock().wall_ms();
  }
  std::vector<Link*> links;
  for (auto& [key, visit] : visits_) {
    if (visit.link->is_up() && visit.link->peer() == node) links.push_back(visit.link.get());
  }
  for (Link* link : links) announce_all(*link);
}

// What the gateway knows becomes what it should know.
void Client::announce_all(Link& link) {
  auto found = gateways_.find(link.peer());
  if (found == gateways_.end()) return;
  const auto& ways = found->second.ways;
  auto& announced = visits_.at(&link).announced;
  std::erase_if(announced, [&](const auto& entry) {
    if (ways.contains(entry.first)) return false;
    link.withdraw(entry.second);
    return true;
  });
  for (const auto& [target, address] : ways) {
    if (announced.contains(target)) continue;
    Result<uint32_t> number = link.announce(target);
    if (number)
      announced[target] = *number;
    else
      log::warning("gateway", "tunnel: a target is not announced", {{"reason", number.error().message}});
  }
}

// --- dialing

void Client::tick() {
  std::vector<Link*> links;
  for (auto& [key, visit] : visits_) links.push_back(visit.link.get());
  for (Link* link : links) link->tick();
  if (is_draining_) return;
  for (auto& [node, gateway] : gateways_) {
    for (auto& dialer : gateway.dialers) {
      if (dialer->link == nullptr && poller_.now_us() >= dialer->due_us) dial(*dialer);
    }
  }
}

void Client::dial(Dialer& dialer) {
  const Gateway& gateway = gateways_.at(dialer.gateway);
  if (gateway.endpoints.empty()) return failed(dialer, "it has no endpoint");
  const std::string& endpoint = gateway.endpoints[dialer.next_endpoint++ % gateway.endpoints.size()];
  Result<Address> address = parse_endpoint(endpoint);
  if (!address) return failed(dialer, address.error().message);
  Result<io::Fd> socket = start_connect(*address);
  if (!socket) return failed(dialer, endpoint + ": " + socket.error().message);
  auto link = Link::begin(std::move(*socket), {.role = Session::Role::Node, .tls = tls_, .peer = dialer.gateway},
                          poller_, *this);
  if (!link) return failed(dialer, link.error().message);
  dialer.link = link->get();
  dialer.message = "dials " + endpoint;
  visits_[dialer.link] = {std::move(*link), &dialer, {}};
}

// The other endpoints at once, then a pause that doubles, with a part of it by chance: not all nodes come back
// together.
void Client::failed(Dialer& dialer, const std::string& why) {
  dialer.link = nullptr;
  dialer.message = why;
  size_t endpoints = std::max<size_t>(1, gateways_.at(dialer.gateway).endpoints.size());
  ++dialer.failures;
  uint64_t pause_us = kPauseUsMin << std::min<size_t>((dialer.failures - 1) / endpoints, 6);
  pause_us = std::min(pause_us, kPauseUsMax);
  bool has_others = dialer.failures % endpoints != 0;
  dialer.due_us = poller_.now_us() + (has_others ? 0 : pause_us / 2 + random_.below(pause_us / 2));
}

// --- links

void Client::on_up(Link& link) {
  Visit& visit = visits_.at(&link);
  announce_all(link);
  if (visit.dialer == nullptr) return;
  visit.dialer->since_ms = io::SystemClock().wall_ms();
  visit.dialer->message.clear();
  visit.dialer->logged.clear();
  log::info("gateway", "tunnel: a gateway was reached", {{"gateway", link.peer().short_hex()}});
}

void Client::on_open(Link& link, uint32_t stream, uint32_t number) {
  const Visit& visit = visits_.at(&link);
  auto name = std::find_if(visit.announced.begin(), visit.announced.end(),
                           [&](const auto& entry) { return entry.second == number; });
  auto gateway = gateways_.find(link.peer());
  if (name == visit.announced.end() || gateway == gateways_.end()) return link.refuse(stream, Refusal::UnknownTarget);
  auto way = gateway->second.ways.find(name->first);
  if (way == gateway->second.ways.end()) return link.refuse(stream, Refusal::UnknownTarget);
  if (way->second.is_udp) return open_datagrams(link, stream, number, way->second.address);
  Result<io::Fd> socket = start_connect(way->second.address);
  if (!socket) return link.refuse(stream, Refusal::CannotConnect);
  link.connect(stream, number, std::move(*socket));
}

void Client::open_datagrams(Link& link, uint32_t stream, uint32_t number, const Address& address) {
  auto self = std::make_shared<DatagramWay*>(nullptr);
  io::Fd socket;
  auto made = DatagramWay::begin(address, poller_, [this, self] { end_datagrams(*self); }, socket);
  if (!made) return link.refuse(stream, Refusal::CannotConnect);
  *self = made->get();
  datagrams_[*self] = std::move(*made);
  link.connect(stream, number, std::move(socket));
}

void Client::end_datagrams(DatagramWay* way) {
  auto found = datagrams_.find(way);
  datagrams_over_.push_back(std::move(found->second));
  datagrams_.erase(found);
}

void Client::clear_round() {
  over_.clear();
  rest_ports();
}

void Client::rest_ports() {
  for (auto& way : datagrams_over_) resting_.push_back({poller_.now_us() + kRestUs, way->end()});
  datagrams_over_.clear();
  while (!resting_.empty() && (resting_.size() > kRestingMax || resting_.front().until_us < poller_.now_us())) resting_.pop_front();
}

// It wants no more streams: the next link is made while this one ends what it has.
void Client::on_goaway(Link& link) {
  Dialer* dialer = std::exchange(visits_.at(&link).dialer, nullptr);
  if (dialer == nullptr) return;
  dialer->link = nullptr;
  dialer->message = "the gateway is leaving";
  dialer->due_us = poller_.now_us();
}

void Client::on_over(Link& link, const Error& why) {
  auto node = visits_.extract(&link);
  Visit& visit = node.mapped();
  bool was_good = link.was_up() && poller_.now_us() > link.begun_us() + kGoodUs;
  over_.push_back(std::move(visit.link));
  if (visit.dialer == nullptr || is_draining_) return;
  if (link.was_up()) visit.dialer->since_ms = io::SystemClock().wall_ms();
  if (was_good) visit.dialer->failures = 0;
  failed(*visit.dialer, why.message);
  if (std::exchange(visit.dialer->logged, why.message) != why.message)
    log::warning("gateway", "tunnel: a gateway is not reached",
                 {{"gateway", link.peer().short_hex()}, {"reason", why.message}});
}

void Client::drain() {
  is_draining_ = true;
  std::vector<Link*> links;
  for (auto& [key, visit] : visits_) links.push_back(visit.link.get());
  for (Link* link : links) link->drain();
}

pb::TunnelState Client::state() const {
  pb::TunnelState state;
  for (const auto& [node, gateway] : gateways_) {
    for (const auto& dialer : gateway.dialers) {
      pb::TunnelLink& link = *state.add_links();
      link.set_node(node.bytes());
      link.set_since_ms(dialer->since_ms);
      link.set_message(dialer->message);
      if (dialer->link == nullptr || !dialer->link->is_up()) continue;
      Link::Counts counts = dialer->link->counts();
      link.set_is_up(true);
      link.set_streams(counts.streams);
      link.set_bytes_in(counts.bytes_in);
      link.set_bytes_out(counts.bytes_out);
      link.set_rtt_us(counts.rtt_us);
    }
  }
  return state;
}

}  // namespace mcloud::gateway
