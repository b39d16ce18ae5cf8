// Pings the nodes that this one shares networks with, four times a second, in the network namespace where packets to them
// begin. It listens on no port: raw ICMP sockets. peer_book.h says when a node counts as silent: 0.75 to 1 s after it fell
// silent, later by what this machine itself is late.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/bytes.h"
#include "base/ids.h"
#include "io/file.h"
#include "io/loop.h"
#include "node/peer_book.h"

namespace mcloud::node {

// Belongs to the loop's thread. Without targets it does nothing and costs nothing.
class PeerWatch {
 public:
  struct Options {
    std::string netns_folder = "/run/netns";
    uint64_t every_ms = 250;
  };
  // `on_change`: the set of silent nodes is another one. A namespace that cannot be entered is as if nobody in it answers.
  // `self`: this node.
  PeerWatch(io::Loop& loop, const NodeId& self, Options options, std::function<void(const std::set<NodeId>&)> on_change);

  void set_targets(const std::map<NodeId, Reach>& targets);
  std::map<NodeId, PeerFigures> figures() const { return book_.figures(); }

 private:
  struct Socket {
    io::Fd fd;
    uint64_t namespace_id = 0;  // of the file that was entered
  };
  void round();
  void send(const PeerBook::Echo& echo);
  int socket_of(const std::string& netns);
  void receive(const std::string& netns, const Socket& socket);
  void tell();

  io::Loop& loop_;
  const NodeId self_;
  const Options options_;
  const std::function<void(const std::set<NodeId>&)> on_change_;
  PeerBook book_;
  Bytes token_;  // in each ping: an answer without it is not to us
  std::map<std::string, Socket> sockets_;
  std::set<NodeId> silent_;
  bool is_running_ = false;
  uint64_t due_ms_ = 0;  // of the next round
  io::Timer timer_;
};

// An ICMP echo request (RFC 792) and what an answer to one says; pure.
Bytes echo_request(uint16_t id, uint16_t sequence, BytesView token);
struct EchoReply {
  network::Ipv4 from;
  uint16_t sequence = 0;
};
// `packet`: with its IP header. Nullopt: no whole answer to a request with this id and token.
std::optional<EchoReply> parse_echo_reply(BytesView packet, uint16_t id, BytesView token);

}  // namespace mcloud::node
