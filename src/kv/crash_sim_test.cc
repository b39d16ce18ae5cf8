// Random commands against a model, with power cuts and kills at random operations of the disk.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "kv/local_store.h"
#include "testing/simulated_clock.h"
#include "testing/simulated_disk.h"

using namespace mcloud;
using namespace mcloud::kv;
using testing::SimulatedDisk;

namespace {

struct Op {
  std::string key;
  std::optional<std::string> value;  // nullopt: deletion
  Position end = 0;
  uint64_t monotonic_ms = 0;
  bool continues = false;  // the next one belongs to the same transaction
  std::optional<uint64_t> expiry_ms = {};
};

struct Held {
  std::string value;
  std::optional<uint64_t> expiry_ms;
};
// What the log holds, expired or not.
using State = std::map<std::string, Held>;

// One namespace, what was done to it, and what it may be after a crash.
class World {
 public:
  World(uint64_t seed, Durability durability) : random_(seed), disk_(seed * 31 + 7), durability_(durability) {
    history_ =
        std::array{History::Keep::Forever, History::Keep::LastVersions, History::Keep::NewerThan}[random_.below(3)];
    REQUIRE(open());
  }

  void run(int crashes) {
    for (int crash = 0; crash < crashes; ++crash) {
      bool is_power_cut = random_.chance(70);
      if (is_power_cut) disk_.cut_power_after(1 + random_.below(400));
      int steps = static_cast<int>(random_.below(150));
      bool is_poisoned = false;
      for (int i = 0; !is_poisoned && (is_power_cut ? disk_.has_power() : i < steps); ++i) {
        step();
        is_poisoned = is_faulty_ && disk_.has_power() && !space_->figures().failure.empty();
      }
      after_crash(is_power_cut && !is_poisoned);
    }
    space_.reset();
    store_.reset();
    REQUIRE(open());
    check_state();
  }

  uint64_t lost() const { return lost_; }
  uint64_t swept() const { return swept_; }

 private:
  bool open() {
    Store::Options options{.folder = "/data", .segment_bytes = 8192};
    options.defaults.durability = durability_;
    options.defaults.interval_ms = kIntervalMs;
    options.defaults.history = {history_, history_ == History::Keep::LastVersions ? 2u : 3'000u};
    options.compact_bytes_per_s = uint64_t{1} << 40;
    auto opened = LocalStore::open(disk_, clock_, options, LocalStore::Threads::None);
    if (!opened.has_value()) {
      // A power cut while the store was being made or opened is allowed to end it, nothing else is.
      INFO(opened.error().message);
      CHECK_FALSE(disk_.has_power());
      return false;
    }
    store_ = std::move(*opened);
    space_ = store_->find("default");
    return true;
  }

  std::string some_key() { return "key" + std::to_string(random_.below(20)); }

  // For some operations of one kind the disk fails, as a full or a broken one does.
  void plan_fault() {
    using Operation = SimulatedDisk::Operation;
    auto kind = std::array{Operation::Write,      Operation::Sync, Operation::Allocate, Operation::Truncate,
                           Operation::SyncFolder, Operation::Name, Operation::Open}[random_.below(7)];
    auto left = std::make_shared<uint64_t>(1 + random_.below(6));
    disk_.set_plan([=](Operation operation, const std::string&) -> std::optional<Error> {
      if (operation != kind || *left == 0) return std::nullopt;
      --*left;
      return make_error(Code::Exhausted, "as planned");
    });
    is_faulty_ = true;
  }

  void step() {
    if (random_.chance(2)) plan_fault();
    switch (random_.below(13)) {
      case 0: {
        clock_.advance(random_.below(240));
        if (random_.chance(5)) clock_.set_wall(clock_.wall_ms() + random_.below(4'000) - 2'000);
        break;
      }
      case 1: store_->syncer().run_due(); break;
      case 2: {
        if (ops_.empty()) break;
        space_->when_durable(ops_.back().end, [this, count = ops_.size()](Status done) {
          if (done.has_value()) acknowledged_ = std::max(acknowledged_, count);
        });
        break;
      }
      case 3: {
        if (random_.chance(40) && disk_.has_power()) {
          Status done = space_->compact({});
          if (disk_.has_power() && !is_faulty_) CHECK_MESSAGE(done.has_value(), done.error().message);
        }
        break;
      }
      case 4: {
        if (!random_.chance(10)) break;
        Status cleared = store_->clear("default");
        if (cleared.has_value()) {
          cleared_at_ = ops_.size();
          acknowledged_ = ops_.size();
        } else {
          maybe_cleared_at_ = ops_.size();
        }
        break;
      }
      case 5: write(true); break;
      case 6: check_reads(); break;
      default: write(false); break;
    }
    // The syncer's thread would have done it by now.
    store_->syncer().run_due();
    learn_sweeps();
  }

  // The sweeper writes by itself: the deletions of what has expired, soonest first.
  void learn_sweeps() {
    // A process that was killed may have known a later time than the next one: the clock was set back.
    latest_ms_ = std::max(latest_ms_, space_->now_ms());
    size_t seen = space_->figures().next_sequence - first_sequence_;
    // A flush that was cut may be in the log in part; nothing was written behind it.
    if (seen <= ops_.size() || !unsure_.empty()) return;
    std::map<uint64_t, std::string> over;  // no two expiries are the same
    for (const auto& [key, held] : state_after(ops_.size())) {
      if (held.expiry_ms && *held.expiry_ms <= latest_ms_) over[*held.expiry_ms] = key;
    }
    REQUIRE_LE(seen - ops_.size(), over.size());
    for (const auto& [expiry_ms, key] : over) {
      if (ops_.size() == seen) break;
      ops_.push_back({.key = key,
                      .value = std::nullopt,
                      .end = space_->figures().end,
                      .monotonic_ms = clock_.monotonic_ms()});
      ++swept_;
    }
  }

  bool is_visible(const Held& held) const { return !held.expiry_ms || *held.expiry_ms > space_->now_ms(); }
  bool is_visible(const State& state, const std::string& key) const {
    auto found = state.find(key);
    return found != state.end() && is_visible(found->second);
  }

  uint64_t some_expiry() {
    uint64_t expiry_ms = space_->now_ms() + random_.below(3'000) - 200;
    while (!expiries_.insert(expiry_ms).second) ++expiry_ms;
    return expiry_ms;
  }

  void write(bool is_transaction) {
    auto writer = space_->writer();
    if (!writer.has_value()) return;
    std::vector<Op> made;
    size_t count = 1 + random_.below(is_transaction ? 6 : 3);
    if (is_transaction) (*writer)->begin();
    for (size_t i = 0; i < count; ++i) {
      Op op{.key = some_key(), .value = std::nullopt, .monotonic_ms = clock_.monotonic_ms()};
      Result<Position> end = Position{0};
      if (random_.chance(25)) {
        end = (*writer)->remove(op.key);
      } else {
        op.value = random_.bytes(random_.below(random_.chance(10) ? 3000 : 60));
        if (random_.chance(20)) op.expiry_ms = some_expiry();
        end = (*writer)->put(op.key, *op.value, {.expiry_ms = op.expiry_ms});
      }
      if (!end.has_value()) continue;
      op.end = *end;
      if (is_transaction && !made.empty()) made.back().continues = true;
      made.push_back(std::move(op));
    }
    if (is_transaction && random_.chance(15)) {
      static_cast<void>((*writer)->flush());  // never committed
      return;
    }
    if (is_transaction) static_cast<void>((*writer)->commit());
    bool is_flushed = (*writer)->flush().has_value();
    if (!is_flushed && disk_.has_power()) {
      // Refused, and what the writer has flushed by itself before stays.
      size_t seen = space_->figures().next_sequence - first_sequence_ - ops_.size();
      REQUIRE_LE(seen, made.size());
      if (is_transaction) CHECK((seen == 0 || seen == made.size()));
      made.resize(seen);
      is_flushed = true;
    }
    if (!is_flushed && unsure_.empty()) unsure_ = made;
    if (is_flushed) ops_.insert(ops_.end(), made.begin(), made.end());
  }

  State state_after(size_t count) const {
    State state;
    for (size_t i = cleared_at_; i < count; ++i) {
      if (ops_[i].value) {
        state[ops_[i].key] = {*ops_[i].value, ops_[i].expiry_ms};
      } else {
        state.erase(ops_[i].key);
      }
    }
    return state;
  }

  bool is_as_after_clear_at(size_t cleared_at) {
    std::swap(cleared_at, cleared_at_);
    State expected = state_after(ops_.size());
    std::swap(cleared_at, cleared_at_);
    for (int i = 0; i < 20; ++i) {
      std::string key = "key" + std::to_string(i);
      if (space_->contains(key) != is_visible(expected, key)) return false;
    }
    return true;
  }

  void check_state() {
    State expected = state_after(ops_.size());
    CHECK_EQ(space_->figures().keys, expected.size());
    uint64_t live_bytes = 0;
    for (int i = 0; i < 20; ++i) {
      std::string key = "key" + std::to_string(i);
      auto found = space_->find(key);
      REQUIRE_MESSAGE(found.has_value(), found.error().message);
      auto wanted = expected.find(key);
      REQUIRE_EQ(found->has_value(), is_visible(expected, key));
      if (wanted != expected.end()) live_bytes += key.size() + wanted->second.value.size();
      if (!*found) continue;
      CHECK_EQ((*found)->value, wanted->second.value);
      CHECK_EQ((*found)->expiry_ms, wanted->second.expiry_ms);
    }
    CHECK_EQ(space_->figures().live_bytes, live_bytes);
    check_scans(expected);
    auto faults = space_->verify({});
    REQUIRE(faults.has_value());
    CHECK(faults->empty());
    CHECK_EQ(space_->figures().corrupt_records, 0);
  }

  void check_scans(const State& expected) {
    size_t seen = 0;
    for (std::optional<Position> from = 0; from;) {
      auto page = space_->scan(*from, 1 + random_.below(7), 1'000'000);
      REQUIRE(page.has_value());
      for (const Entry& entry : page->entries) CHECK(is_visible(expected, entry.key));
      seen += page->entries.size();
      from = page->next;
    }
    size_t visible = 0;
    for (const auto& [key, held] : expected) visible += is_visible(held) ? 1 : 0;
    CHECK_EQ(seen, visible);
    for (std::optional<Position> before = space_->figures().end; before;) {
      auto page = space_->scan_back(*before, 1 + random_.below(7), 1'000'000);
      REQUIRE(page.has_value());
      for (const Entry& entry : page->entries) CHECK(is_visible(expected, entry.key));
      seen -= page->entries.size();
      before = page->next;
    }
    CHECK_EQ(seen, 0);
  }

  void check_reads() {
    State expected = state_after(ops_.size());
    std::string key = some_key();
    std::string value;
    auto found = space_->read_value(key, value);
    if (!found.has_value()) return;  // no power
    REQUIRE_EQ(found->has_value(), is_visible(expected, key));
    if (*found) CHECK_EQ(value, expected[key].value);
    if (history_ != History::Keep::Forever || ops_.size() == cleared_at_) return;
    // Nothing is ever dropped: the version of any moment is there.
    size_t count = cleared_at_ + 1 + random_.below(ops_.size() - cleared_at_);
    auto version = space_->find_version(key, first_sequence_ + count - 1);
    if (!version.has_value()) return;
    State then = state_after(count);
    bool is_there = version->has_value() && !(*version)->is_deletion;
    REQUIRE_EQ(is_there, then.contains(key));
    if (is_there) CHECK_EQ((*version)->value, then[key].value);
  }

  void after_crash(bool is_power_cut) {
    disk_.set_plan(nullptr);
    is_faulty_ = false;
    size_t must = acknowledged_;
    // A disk that failed a sync has been reported; only what was acknowledged before is owed.
    bool is_reported = space_->figures().failure.find("as planned") != std::string::npos;
    if (durability_ != Durability::None && !is_reported) {
      // Older than the interval: safe without anybody having waited.
      while (must < ops_.size() && ops_[must].monotonic_ms + kIntervalMs <= clock_.monotonic_ms()) ++must;
    }
    if (is_power_cut) {
      space_.reset();
      store_.reset();
      disk_.restore_power();
    } else {
      disk_.keep_power();
      disk_.kill_process();
      space_.reset();
      store_.reset();
    }
    const size_t synced = must;
    if (!is_power_cut) must = ops_.size();
    // Sometimes opening is cut as well.
    while (random_.chance(20)) {
      disk_.cut_power_after(1 + random_.below(60));
      if (open()) {
        space_.reset();
        store_.reset();
      } else {
        must = synced;
      }
      disk_.restore_power();
    }
    REQUIRE(open());
    size_t survived = space_->figures().next_sequence - first_sequence_;
    // What a failed flush was about may have survived the cut as a prefix: it was never refused for sure.
    ops_.insert(ops_.end(), unsure_.begin(), unsure_.end());
    REQUIRE_GE(survived, must);
    learn_sweeps();  // one that was cut
    REQUIRE_LE(survived, ops_.size());
    if (survived > 0 && survived < ops_.size()) CHECK_FALSE(ops_[survived - 1].continues);
    lost_ += ops_.size() - survived;
    ops_.resize(survived);
    unsure_.clear();
    acknowledged_ = survived;
    if (maybe_cleared_at_ && *maybe_cleared_at_ <= survived && !is_as_after_clear_at(cleared_at_)) {
      cleared_at_ = *maybe_cleared_at_;
    }
    maybe_cleared_at_.reset();
    check_state();
  }

  static constexpr uint64_t kIntervalMs = 1'000;
  testing::SimulatedRandom random_;
  SimulatedDisk disk_;
  testing::SimulatedClock clock_;
  Durability durability_;
  History::Keep history_;
  std::unique_ptr<LocalStore> store_;
  NamespacePtr space_;
  std::vector<Op> ops_;     // in the order of the log
  std::vector<Op> unsure_;  // behind them: the flush failed because the power went
  size_t acknowledged_ = 0;
  size_t cleared_at_ = 0;
  std::optional<size_t> maybe_cleared_at_;
  bool is_faulty_ = false;
  uint64_t first_sequence_ = 1;
  uint64_t lost_ = 0;
  uint64_t swept_ = 0;
  uint64_t latest_ms_ = 0;
  std::set<uint64_t> expiries_;
};

void run_seeds(Durability durability, uint64_t seeds) {
  uint64_t lost = 0, swept = 0;
  uint64_t first = std::getenv("KV_SEED") != nullptr ? std::stoull(std::getenv("KV_SEED")) : 0;
  if (std::getenv("KV_SEEDS") != nullptr) seeds = std::stoull(std::getenv("KV_SEEDS"));
  for (uint64_t seed = first; seed < (first > 0 ? first + 1 : seeds); ++seed) {
    INFO("repeat it with KV_SEED=", seed);
    World world(seed, durability);
    world.run(6);
    lost += world.lost();
    swept += world.swept();
  }
  if (first == 0) CHECK(lost > 0);  // else the cuts have cut nothing
  if (first == 0) CHECK(swept > seeds);
}

}  // namespace

TEST_CASE(
    "always: after power cuts and kills everything acknowledged is there and nothing else than what was written") {
  run_seeds(Durability::Always, 150);
}

TEST_CASE("interval: no more than the interval is lost") { run_seeds(Durability::Interval, 150); }

TEST_CASE("none: what is left is a prefix of what was written") { run_seeds(Durability::None, 100); }
