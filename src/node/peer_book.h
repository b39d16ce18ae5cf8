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

// The rule. A ping has a round's time to be answered, then it is missed, unless the round itself came late: then nobody
// can tell who was slow, and the ping is forgiven. Of kMissesMax in a row that are missed the node is silent. A late
// answer is an answer, so that a long way (below 3 rounds) is no silence.
class PeerBook {
 public:
  static constexpr size_t kMissesMax = 3;  // since the last answer: then it is silent, until it answers
  // Of one that has never answered: the way to it may be in the making, and a handshake is tried again after 5 s.
  static constexpr size_t kFirstMissesMax = 28;
  static constexpr size_t kForgivenMax = 3;  // since the last answer: on a machine that is always late silence is seen too
  static constexpr size_t kWindow = 240;

  // Rounds in which the higher of two ids does not ask a new peer: two ends whose first packets leave at the same moment
  // spoil each other's WireGuard handshake, and try again only after 5 s.
  static constexpr size_t kRestRounds = 8;

  // Those that are new count as answering. Another reach of a known one begins anew. `self`: who asks.
  void set_targets(const std::map<NodeId, Reach>& targets, const NodeId& self);
  bool empty() const { return peers_.empty(); }

  struct Echo {
    NodeId node;
    Reach reach;
    uint16_t sequence = 0;
  };
  // A ping for each.
  std::vector<Echo> next();
  // False: nobody was asked that lately, or a later one is answered already.
  bool answered(const Reach& reach, uint16_t sequence, uint64_t rtt_us);
  // A round is over: all answers that have come are told before.
  enum class Round { InTime, Late };
  void judge(Round round);

  std::set<NodeId> silent() const;
  std::map<NodeId, PeerFigures> figures() const;

 private:
  struct Ping {
    uint16_t sequence = 0;
    enum class Fate { Asked, Missed, Forgiven } fate = Fate::Asked;
  };
  struct Peer {
    Reach reach;
    std::deque<Ping> unanswered;  // since the last answer, the oldest first
    bool has_answered = false;
    size_t rests = 0;             // rounds
    uint64_t rtt_us = 0;
    std::deque<bool> window;      // true: lost

    size_t misses_max() const { return has_answered ? kMissesMax : kFirstMissesMax; }
    size_t count(Ping::Fate fate) const;
    bool is_silent() const { return count(Ping::Fate::Missed) >= misses_max(); }
    void judge(Round round);
    void decide_oldest(bool is_lost);
  };

  std::map<NodeId, Peer> peers_;
  uint16_t sequence_ = 0;
};

}  // namespace mcloud::node
