// Two sessions over a pipe that splits, delays and stalls, with readers that are slow and sides that give up: by seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gateway/tunnel/session.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::gateway;

namespace {

// Byte i of what `side` says on `stream`.
char byte_of(uint32_t stream, int side, size_t i) {
  return static_cast<char>((stream * 31 + static_cast<uint32_t>(side) * 7 + i * 131 + (i >> 8)) & 0xff);
}

class SimEnd final : public SessionEvents {
 public:
  SimEnd(int side, const SessionLimits& limits, testing::SimulatedRandom& random)
      : side_(side),
        random_(random),
        session(side == 0 ? Session::Role::Gateway : Session::Role::Node, limits, *this, 1) {}

  struct Local {
    size_t wanted = 0, sent = 0, got = 0, unread = 0;
    bool has_ended = false, has_got_end = false, was_reset = false, is_open = false;
    bool is_done() const { return was_reset || (has_ended && has_got_end && unread == 0); }
  };

  void begin(uint32_t stream, bool is_open) {
    Local local;
    local.wanted = random_.chance(20) ? random_.below(200'000) : random_.below(3'000);
    local.is_open = is_open;
    locals[stream] = local;
  }
  // What a shell does in one turn. `is_calm`: nothing is slow, nobody gives up.
  void act(bool is_calm) {
    for (auto& [stream, local] : locals) {
      if (local.is_done() || !local.is_open) continue;
      if (!is_calm && random_.chance(1) && random_.chance(10)) {
        local.was_reset = true;
        session.reset(stream);
        continue;
      }
      if (local.unread > 0 && (is_calm || random_.chance(40))) {
        size_t taken = is_calm ? local.unread : 1 + random_.below(local.unread);
        local.unread -= taken;
        session.consumed(stream, taken);
      }
      if (local.sent < local.wanted) session.set_readable(stream);
      if (local.sent == local.wanted && !std::exchange(local.has_ended, true)) session.end(stream);
    }
    while (session.outgoing().size() < (64 << 10)) {
      auto turn = session.next_turn();
      if (!turn) break;
      fill(*turn);
    }
  }
  void fill(const Session::Turn& turn) {
    Local& local = locals.at(turn.stream);
    size_t size = std::min(turn.size, local.wanted - local.sent);
    if (size > 0 && random_.chance(50)) size = 1 + random_.below(size);
    for (size_t i = 0; i < size; ++i) turn.space[i] = byte_of(turn.stream, side_, local.sent + i);
    local.sent += size;
    session.finish_turn(turn, size, local.sent < local.wanted);
  }
  bool is_done() const {
    return std::all_of(locals.begin(), locals.end(), [](const auto& entry) { return entry.second.is_done(); });
  }

  void on_ready() override { is_ready = true; }
  void on_announced(uint32_t target, BytesView) override { targets.insert(target); }
  void on_withdrawn(uint32_t target) override { targets.erase(target); }
  void on_open(uint32_t stream, uint32_t) override {
    if (random_.chance(10)) return session.refuse(stream, Refusal::CannotConnect);
    begin(stream, true);
    session.opened(stream);
  }
  void on_opened(uint32_t stream) override { locals.at(stream).is_open = true; }
  void on_refused(uint32_t stream, Refusal) override { locals.at(stream).was_reset = true; }
  void on_data(uint32_t stream, BytesView bytes) override {
    Local& local = locals.at(stream);
    bool is_right = !local.was_reset && !local.has_got_end;
    for (size_t i = 0; i < bytes.size(); ++i) is_right &= bytes[i] == byte_of(stream, 1 - side_, local.got + i);
    is_whole &= is_right;
    local.got += bytes.size();
    local.unread += bytes.size();
    unread_most = std::max(unread_most, local.unread);
  }
  void on_end(uint32_t stream) override { locals.at(stream).has_got_end = true; }
  void on_reset(uint32_t stream) override { locals.at(stream).was_reset = true; }
  void on_goaway() override {}

  std::map<uint32_t, Local> locals;
  std::set<uint32_t> targets;
  bool is_ready = false, is_whole = true;
  size_t unread_most = 0;

 private:
  const int side_;
  testing::SimulatedRandom& random_;

 public:
  Session session;
};

struct Sim {
  explicit Sim(uint64_t seed) : random(seed), limits(some_limits()), ends{{0, limits, random}, {1, limits, random}} {}

  SessionLimits some_limits() {
    SessionLimits some;
    some.streams_max = 1 + static_cast<uint32_t>(random.below(40));
    some.window_first = 1 + static_cast<uint32_t>(random.below(5'000));
    some.window_small = 1 + static_cast<uint32_t>(random.below(100));
    some.window_max = some.window_first * (1 + static_cast<uint32_t>(random.below(8)));
    some.unread_pressure = 1 + random.below(50'000);
    return some;
  }
  // Some bytes of what `from` said.
  void carry(int from, bool is_calm) {
    wires[from] += ends[from].session.outgoing();
    ends[from].session.sent_all();
    if (!is_calm && random.chance(30)) return;  // it stalls
    size_t size = is_calm ? wires[from].size() : random.below(wires[from].size() + 1);
    if (!is_calm && random.chance(30)) size = std::min<size_t>(size, random.below(12));
    Status heard = ends[1 - from].session.receive(BytesView(wires[from]).substr(0, size), now_us);
    wires[from].erase(0, size);
    if (!heard) failure = heard.error().message;
  }
  void step(bool is_calm) {
    now_us += random.below(30'000);
    if (!is_calm && ends[0].is_ready && random.chance(30) && !ends[0].targets.empty()) {
      auto stream = ends[0].session.open(*ends[0].targets.begin());
      if (stream) ends[0].begin(*stream, false);
    }
    if (!is_calm && random.chance(3)) change_targets();
    for (int side : {0, 1}) {
      ends[side].act(is_calm);
      carry(side, is_calm);
      Status ticked = ends[side].session.tick(now_us);
      if (!ticked) failure = ticked.error().message;
    }
  }
  void change_targets() {
    if (!announced.empty() && random.chance(40)) {
      ends[1].session.withdraw(announced.back());
      announced.pop_back();
    } else if (auto number = ends[1].session.announce("t")) {
      announced.push_back(*number);
    }
  }
  bool is_done() const { return ends[0].is_done() && ends[1].is_done(); }
  // Every stream that neither side gave up arrived whole, at both ends.
  bool has_all() const {
    for (const auto& [stream, local] : ends[0].locals) {
      auto there = ends[1].locals.find(stream);
      if (local.was_reset || there == ends[1].locals.end()) continue;
      if (there->second.was_reset) continue;
      if (local.got != there->second.wanted || there->second.got != local.wanted) return false;
    }
    return true;
  }

  testing::SimulatedRandom random;
  SessionLimits limits;
  SimEnd ends[2];
  Bytes wires[2];
  std::vector<uint32_t> announced;
  uint64_t now_us = 1'000'000;
  std::string failure;
};

}  // namespace

TEST_CASE("over any pipe every stream arrives whole and in order or is reset, and nothing is stuck") {
  size_t streams = 0, whole = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed ", seed);
    Sim sim(seed);
    sim.change_targets();
    for (int i = 0; i < 400 && sim.failure.empty(); ++i) sim.step(false);
    for (int i = 0; i < 20'000 && sim.failure.empty() && !sim.is_done(); ++i) sim.step(true);
    for (int i = 0; i < 3 && sim.failure.empty(); ++i) sim.step(true);  // what crossed the ends
    REQUIRE(sim.failure == "");
    REQUIRE(sim.is_done());
    REQUIRE(sim.has_all());
    for (SimEnd& end : sim.ends) {
      REQUIRE(end.is_whole);
      REQUIRE(end.unread_most <= sim.limits.window_max);
      REQUIRE(end.session.streams() == 0);
      REQUIRE(end.session.unread() == 0);
    }
    for (const auto& [stream, local] : sim.ends[0].locals) whole += local.was_reset ? 0 : 1;
    streams += sim.ends[0].locals.size();
  }
  CHECK(streams > 2'500);
  CHECK(whole > streams / 3);
  CHECK(whole < streams);
}
