// Which nodes answer, and how fast: what pings that were sent and answers that came say. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "network/address.h"

namespace mcloud::node {

// Where a peer is asked: its address in the mesh or on the backplane.
struct Reach {
  std::string netns;  // "" = the node's own; else a name in the folder of namespaces
  network::Ipv4 address;
  auto operator<=>(const Reach&) const = default;
};

struct PeerFigures {
  uint64_t rtt_us = 0;  // of the last answer; 0 = none yet
  size_t sent = 0;      // of the last kWindow that are decided
  size_t lost = 0;
  bool is_silent = false;
};

class PeerBook {
 public:
  static constexpr size_t kMissesMax = 3;  // in a row: then it is silent, until it answers
  // Of one that has never answered: the way to it may be in the making, and a handshake is tried again after 5 s.
  static constexpr size_t kFirstMissesMax = 14;
  static constexpr size_t kWindow = 120;

  // Rounds in which the higher of two ids does not ask a new peer: two ends whose first packets leave at the same moment
  // spoil each other's WireGuard handshake, and try again only after 5 s.
  static constexpr size_t kRestRounds = 4;

  // Those that are new count as answering. Another reach of a known one begins anew. `self`: who asks.
  void set_targets(const std::map<NodeId, Reach>& targets, const NodeId& self);
  bool empty() const { return peers_.empty(); }

  struct Echo {
    NodeId node;
    Reach reach;
    uint16_t sequence = 0;
  };
  // A ping for each; what was sent before and has no answer is lost.
  std::vector<Echo> next();
  // False: nobody was asked that, or it was answered already.
  bool answered(const Reach& reach, uint16_t sequence, uint64_t rtt_us);
  // What is under way is lost: before the next round is sent, so that silence is noticed early.
  void judge();

  std::set<NodeId> silent() const;
  std::map<NodeId, PeerFigures> figures() const;

 private:
  struct Peer {
    Reach reach;
    std::optional<uint16_t> waiting;  // sequence
    size_t misses = 0;                // in a row
    bool has_answered = false;
    size_t rests = 0;                 // rounds
    bool is_silent() const { return misses >= (has_answered ? kMissesMax : kFirstMissesMax); }
    uint64_t rtt_us = 0;
    std::deque<bool> window;          // true: lost
  };
  void decide(Peer& peer, bool is_lost);

  std::map<NodeId, Peer> peers_;
  uint16_t sequence_ = 0;
};

}  // namespace mcloud::node
