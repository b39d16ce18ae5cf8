// The gateway's end: links of nodes, and a door (a listening unix socket) for each target that one of them leads to.
// Inside tunnel/ only; everything but start() and the public functions runs on the server's own thread.
#pragma once

#include <map>
#include <set>
#include <thread>  // the loop's: HAProxy's driver and ACME may block, streams must not
#include <unordered_map>

#include "gateway/tunnel/link.h"
#include "gateway/tunnel/tunnel_server.h"

namespace mcloud::gateway {

class Server final : public TunnelServer, public LinkOwner {
 public:
  Server(const Options& options, std::unique_ptr<Poller> poller) : options_(options), poller_(std::move(poller)) {}
  ~Server() override;
  Status begin(const crypto::SigningKey& node_key);

  uint16_t port() const override { return port_; }
  void set_peers(const std::vector<pb::LocalTunnelPeer>& peers) override;
  std::vector<pb::TunnelLink> links() const override;
  std::vector<std::string> reachable() const override;

 private:
  // A listening socket, TCP or unix.
  struct Door final : Watcher {
    Door(Server& its_server, io::Fd its_socket, Bytes its_target)
        : server(its_server), socket(std::move(its_socket)), target(std::move(its_target)) {}
    ~Door() override { server.poller_->remove(socket.get()); }
    void on_events(uint32_t) override { server.accept_all(*this); }
    Server& server;
    io::Fd socket;
    const Bytes target;  // "": nodes come here
    std::string path;    // of the unix socket
    bool is_starved = false;  // there was no descriptor for a connection that waits
  };
  struct Visit {
    std::unique_ptr<Link> link;
    std::map<uint32_t, Bytes> announced;
    uint64_t since_ms = 0;
  };
  struct Way {
    Link* link;
    uint32_t number;
  };
  struct Target {
    std::vector<Way> ways;
    std::unique_ptr<Door> door;
  };
  struct Peer {
    std::set<Bytes> targets;
    std::string message;  // why it is not here
    uint64_t since_ms = 0;
  };

  Status open_doors();
  void run();
  void tick();
  template <typename Function>
  auto ask(Function function) const;

  void accept_all(Door& door);
  void accept_node(io::Fd socket);
  void take(const Bytes& target, io::Fd socket);
  bool is_usable(const Bytes& target, const Link& link) const;
  bool is_allowed(const Bytes& target, const Link& link) const;  // by what is wanted
  void update_door(const Bytes& name, Target& target);
  void drop_way(const Bytes& name, const Link& link);
  void put_peers(const std::vector<pb::LocalTunnelPeer>& peers);
  std::vector<pb::TunnelLink> list_links() const;
  void bound_links(const Link& newest);

  void on_up(Link& link) override;
  void on_announced(Link& link, uint32_t target, BytesView name) override;
  void on_withdrawn(Link& link, uint32_t target) override;
  void on_open(Link&, uint32_t, uint32_t) override {}  // a gateway is never asked
  void on_unopened(Link& link, uint32_t target, io::Fd socket) override;
  void on_goaway(Link& link) override;
  void on_over(Link& link, const Error& why) override;

  const Options options_;
  const std::unique_ptr<Poller> poller_;
  std::shared_ptr<const io::TlsContext> tls_;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<Door>> front_;
  std::map<NodeId, Peer> peers_;
  std::unordered_map<const Link*, Visit> visits_;
  std::set<std::pair<uint64_t, Link*>> greeting_;  // not up yet, the oldest first
  std::map<Bytes, Target> targets_;
  std::vector<std::unique_ptr<Link>> over_;  // until the round is over
  bool is_stopping_ = false;
  std::jthread thread_;
};

}  // namespace mcloud::gateway
