// For tests: stores on simulated disks with their place among others, the connections between them, what the ledger
// knows of them. Nothing happens by itself.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <set>

#include "kv/local_store.h"
#include "kv/replication/feed.h"
#include "kv/replication/follower.h"
#include "kv/replication/group.h"
#include "kv/replication/sender.h"
#include "testing/simulated_clock.h"
#include "testing/simulated_disk.h"

namespace mcloud::kv::sim {

using testing::SimulatedDisk;

struct Op {
  std::string key, value;
  Position position = 0;
  uint64_t sequence = 0;
  uint64_t term = 0;
  uint64_t copies = 1;
  uint64_t number = 0;
};

// The first thing that is wrong ends the test; the seed is told with it.
[[noreturn]] inline void wrong(const std::string& what) {
  FAIL(what);
  std::abort();
}

inline std::string member_of(size_t node) { return std::to_string(node) + ".1"; }

// One store, alive or not.
class Node final : public GroupPort {
 public:
  Node(size_t index, uint64_t seed, testing::SimulatedClock& clock) : index(index), disk(seed), clock_(clock) {}

  ~Node() override { stop(); }

  bool start() {
    Store::Options options{.folder = "/data", .segment_bytes = 8192, .compact_bytes_per_s = uint64_t{1} << 40};
    options.defaults.durability = Durability::Interval;
    options.defaults.history = history;
    auto opened = LocalStore::open(disk, clock_, options, LocalStore::Threads::None);
    if (!opened.has_value()) return fails(opened.error());
    store = std::move(*opened);
    feed = std::make_unique<Feed>();
    group = std::make_unique<Group>(*store, disk, "/data", *this);
    Status done = group->open(true);
    if (!done.has_value()) return fails(done.error());
    ++life;
    return true;
  }
  void stop() {
    wanted.reset();
    group.reset();
    store.reset();  // tells those who wait, who know the feed
    feed.reset();
  }
  bool is_up() const { return group != nullptr && disk.has_power(); }
  NamespacePtr space() const { return store->find("default"); }
  LogState log() const { return space()->replica().log_state(); }
  bool leads() const { return is_up() && group->may_write(); }

  // --- GroupPort
  void follow(const Upstream* upstream, const std::string&) override {
    wanted.reset();
    if (upstream != nullptr) wanted = upstream->port;
    ++follows;
  }
  void end_streams() override { ++streams; }
  void lead(const AckRules& rules) override {
    auto end = space()->replica().make_durable();
    feed->lead(rules, end.has_value() ? *end : log().end);
  }
  void set_rules(const AckRules& rules) override { feed->set_rules(rules); }
  void end_waiting(const Error& why) override { feed->end(why); }
  std::optional<Members> propose() override { return feed->propose(); }

  const size_t index;
  SimulatedDisk disk;
  History history;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<Feed> feed;
  std::unique_ptr<Group> group;
  std::optional<size_t> wanted;  // whom it follows
  uint64_t follows = 0, streams = 0, life = 0;
  uint64_t back_at_ms = 0;

 private:
  bool fails(const Error& error) {
    stop();
    if (disk.has_power()) wrong("node " + std::to_string(index) + " does not open: " + error.message);
    return false;
  }
  testing::SimulatedClock& clock_;
};

// A follower's connection.
struct Link {
  size_t master = 0;
  uint64_t master_life = 0, master_streams = 0, follows = 0;
  std::unique_ptr<Sender> sender;
  uint64_t stream = 0;
  std::unique_ptr<Follower> follower;
  struct Message {
    uint64_t due_ms;
    Bytes bytes;
  };
  std::deque<Message> down, up;
  Position shown = 0;
};

// What the ledger knows (docs/design/kv-replication.md, "Election").
struct Ledger {
  uint64_t term = 1;
  std::optional<size_t> primary;  // nullopt: electing
  uint64_t revision = 1;
  uint64_t copies = 1;
  Members voters, candidates;
  std::map<size_t, Rank> reports;  // of complete copies
  std::set<size_t> heard;
  struct Proposal {
    uint64_t due_ms, term, revision;
    Members members;
  };
  std::deque<Proposal> underway;
};

// What an agent has read on the ledger, and passes on later than it should.
struct Order {
  size_t node = 0;
  Ledger seen;
};

}  // namespace mcloud::kv::sim
