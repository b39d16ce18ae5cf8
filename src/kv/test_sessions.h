// For tests: sessions without sockets, over a real store in a folder of its own. What other threads post is run by
// pump(), on the test's thread. Time stands still until advance().
#pragma once

#include <atomic>              // the clock is read by the store's threads
#include <condition_variable>  // the store's threads post
#include <deque>
#include <doctest/doctest.h>
#include <map>

#include "io/clock.h"
#include "io/disk.h"
#include "kv/replication/replication.h"
#include "kv/session.h"
#include "testing/temporary_folder.h"

namespace mcloud::kv {

class SessionClock final : public Clock {
 public:
  uint64_t monotonic_ms() const override { return 1'000'000 + passed_ms_; }
  uint64_t wall_ms() const override { return 1'700'000'000'000 + passed_ms_; }
  void advance(uint64_t ms) { passed_ms_ += ms; }

 private:
  std::atomic<uint64_t> passed_ms_ = 0;
};

// A store that is there for one test.
struct SessionStore {
  explicit SessionStore(const ServiceOptions& wanted = {}) {
    ServiceOptions options = wanted;
    if (options.mode == ModePolicy::Sequence) options.defaults.mode = KeyMode::Sequence;
    store = Store::open(disk, clock, {.folder = folder / "kv", .segment_bytes = 1 << 20, .defaults = options.defaults})
                .value();
  }
  testing::TemporaryFolder folder;
  io::SystemDisk disk;
  io::SystemRandom random;
  SessionClock clock;
  std::unique_ptr<Store> store;
};

class TestSessions final : public SessionPort, public Round::Waiter {
 public:
  explicit TestSessions(const ServiceOptions& options = {})
      : store_(options), state_(*store_.store, store_.disk, store_.clock, store_.random, with_folder(options)) {
    CHECK(state_.replication().open({}).has_value());
  }
  ~TestSessions() override {
    state_.replication().stop();
    sessions_.clear();
    static_cast<void>(store_.store->close());  // nobody calls back behind this
  }

  Session& open() {
    uint64_t id = ++last_id_;
    sessions_[id] =
        std::make_unique<Session>(state_, *this, Session::Identity{id, id, "test", state_.options().dialect});
    return *sessions_[id];
  }
  void close(Session& session) { sessions_.erase(session.identity().id); }

  // One round with these bytes of one session; what may be sent afterwards.
  Bytes feed(Session& session, BytesView bytes) {
    {
      Round round(*this);
      session.feed(bytes, round);
    }
    return take(session);
  }
  // Sends what may be sent and goes on with what waited for that.
  Bytes take(Session& session) {
    Bytes out;
    for (;;) {
      BytesView sendable = session.sendable();
      out += sendable;
      session.sent(sendable.size());
      if (!session.has_requests_left() || session.is_waiting()) return out;
      Round round(*this);
      session.resume(round);
    }
  }
  // Waits for at least one posted function and runs all. False: none came within five seconds.
  bool pump() {
    std::deque<std::function<void()>> functions;
    {
      std::unique_lock lock(mutex_);
      if (!posted_.wait_for(lock, std::chrono::seconds(5), [&] { return !functions_.empty(); })) return false;
      functions.swap(functions_);
    }
    for (auto& function : functions) function();
    return true;
  }
  void tick() {
    for (auto& [id, session] : sessions_) session->tick(store_.clock.monotonic_ms());
  }
  ServerState& state() { return state_; }
  SessionStore& store() { return store_; }

  void post(uint64_t session, uint64_t ticket, Bytes bytes) override {
    enqueue([this, session, ticket, bytes = std::move(bytes)] {
      if (auto found = sessions_.find(session); found != sessions_.end()) found->second->deliver(ticket, bytes);
    });
  }
  Tallies& tallies() override { return tallies_; }
  void run_elsewhere(uint64_t session, uint64_t ticket, std::function<Bytes()> work) override {
    post(session, ticket, work());
  }
  void when_durable(const SpacePtr& space, Position position) override {
    when_acknowledged(space, position, [this, space, position](Status status) {
      enqueue([this, space, position, status] {
        for (auto& [id, session] : sessions_) session->durable(*space, position, status);
      });
    });
  }

 private:
  ServiceOptions with_folder(ServiceOptions options) {
    options.folder = store_.folder.path();
    return options;
  }
  void enqueue(std::function<void()> function) {
    std::lock_guard lock(mutex_);
    functions_.push_back(std::move(function));
    posted_.notify_one();
  }

  SessionStore store_;
  ServerState state_;
  Tallies& tallies_ = state_.make_tallies();
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> functions_;
  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
  uint64_t last_id_ = 0;
};

}  // namespace mcloud::kv
