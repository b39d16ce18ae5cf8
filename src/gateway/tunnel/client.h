// The node's end: keeps links to every gateway it is told of, and leads the streams they open to addresses here.
// Inside tunnel/ only. One thread runs it; reload() and the rest belong to that thread.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include "gateway/tunnel/address.h"
#include "gateway/tunnel/datagram_way.h"
#include "gateway/tunnel/link.h"
#include "gateway/tunnel/tunnel_client.h"
#include "io/clock.h"
#include "mcloud/gateway.pb.h"

namespace mcloud::gateway {

class Client final : public LinkOwner {
 public:
  // Poller and key are borrowed.
  static Result<std::unique_ptr<Client>> create(const crypto::SigningKey& node_key, int connections, Poller& poller);
  ~Client() override;

  // What stays the same is not touched: no link, no stream.
  void put(const pb::LocalTunnel& wanted);
  void tick();  // at least every 250 ms; 100 while it waits to dial
  void clear_round();
  // No more streams; is_idle() when the last has ended.
  void drain();
  bool is_idle() const { return visits_.empty(); }
  pb::TunnelState state() const;

 private:
  // Dials one gateway, again and again.
  struct Dialer {
    NodeId gateway;
    Link* link = nullptr;  // on its way or up
    size_t next_endpoint = 0;
    uint32_t failures = 0;
    uint64_t due_us = 0;
    uint64_t since_ms = 0;
    std::string message = "not dialed yet";
    std::string logged;  // the last failure: its repetitions are not worth a line each
  };
  struct Way {
    Address address;
    bool is_udp = false;
  };
  struct Gateway {
    std::vector<std::string> endpoints;
    std::map<Bytes, Way> ways;  // by target
    std::vector<std::unique_ptr<Dialer>> dialers;
  };
  struct Visit {
    std::unique_ptr<Link> link;
    Dialer* dialer;  // nullptr: it drains, another one has taken its place
    std::map<Bytes, uint32_t> announced;
  };

  Client(Poller& poller, int connections) : poller_(poller), connections_(connections) {}
  void put_gateway(Gateway& gateway, const NodeId& node, const pb::LocalTunnelGateway& wanted);
  void announce_all(Link& link);
  void open_datagrams(Link& link, uint32_t stream, uint32_t target, const Address& address);
  void end_datagrams(DatagramWay* way);
  void rest_ports();
  void dial(Dialer& dialer);
  void failed(Dialer& dialer, const std::string& why);

  void on_up(Link& link) override;
  void on_announced(Link&, uint32_t, BytesView) override {}  // gateways announce nothing
  void on_withdrawn(Link&, uint32_t) override {}
  void on_open(Link& link, uint32_t stream, uint32_t target) override;
  void on_unopened(Link&, uint32_t, io::Fd) override {}  // nor do nodes open
  void on_goaway(Link& link) override;
  void on_over(Link& link, const Error& why) override;

  Poller& poller_;
  const int connections_;
  std::shared_ptr<const io::TlsContext> tls_;
  std::map<NodeId, Gateway> gateways_;
  std::unordered_map<const Link*, Visit> visits_;
  std::vector<std::unique_ptr<Link>> over_;
  std::unordered_map<DatagramWay*, std::unique_ptr<DatagramWay>> datagrams_;  // one per stream of them
  std::vector<std::unique_ptr<DatagramWay>> datagrams_over_;                 // until the round is over
  struct RestingPort {
    uint64_t until_us;
    io::Fd socket;
  };
  std::deque<RestingPort> resting_;  // of datagrams_ that ended; the oldest first
  io::SystemRandom random_;
  bool is_draining_ = false;
};

}  // namespace mcloud::gateway
