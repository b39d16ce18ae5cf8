// Random writes, expiries and jumps of the clock against a model that knows nothing of sweeping: what any time would
// have answered stays what it was, whatever the sweeper and the openings do meanwhile.
#include <algorithm>
#include <map>

#include "kv/test_store.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

struct Version {
  uint64_t time_ms = 0;
  std::optional<std::string> value;  // nullopt: deleted
  std::optional<uint64_t> expiry_ms = {};
};

class ExpiryWorld {
 public:
  explicit ExpiryWorld(uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      check(some_key());
    }
    for (int i = 0; i < kKeys; ++i) check("key" + std::to_string(i));
    CHECK(t_.space->verify({}).value().empty());
  }
  uint64_t swept() const { return swept_; }

 private:
  static constexpr int kKeys = 8;

  std::string some_key() { return "key" + std::to_string(random_.below(kKeys)); }
  uint64_t now() { return t_.space->now_ms(); }

  void step() {
    switch (random_.below(12)) {
      case 0: t_.clock.advance(random_.below(2'000)); break;
      case 1: t_.clock.set_wall(t_.clock.wall_ms() + random_.below(6'000) - 3'000); break;
      case 2: reopen(); break;
      case 3: write_out_sweeps(); break;
      case 4: remove(some_key()); break;
      case 5: give_expiry(some_key()); break;
      default: put(some_key()); break;
    }
  }

  // What the store remembers of a clock that was set back ends with its process: it was set right before.
  void reopen() {
    t_.clock.set_wall(std::max(t_.clock.wall_ms(), now()));
    swept_before_ += t_.space->figures().expired_keys;
    if (random_.chance(50))
      t_.open();
    else
      t_.kill_and_open();
  }

  void write_out_sweeps() {
    t_.store->syncer().run_due();
    swept_ = swept_before_ + t_.space->figures().expired_keys;
  }

  void write(const std::string& key, const std::string& value, std::optional<uint64_t> expiry_ms) {
    auto writer = *t_.space->writer();
    REQUIRE(writer->put(key, value, {.expiry_ms = expiry_ms}).has_value());
    REQUIRE(writer->flush().has_value());
    model_[key].push_back({t_.clock.wall_ms(), value, expiry_ms});
  }

  void put(const std::string& key) {
    std::optional<uint64_t> expiry_ms;
    if (random_.chance(60)) expiry_ms = now() + random_.below(4'000) - 500;
    write(key, "value " + std::to_string(++values_), expiry_ms);
  }

  void give_expiry(const std::string& key) {
    auto there = at_now(key);
    if (there) write(key, *there, now() + random_.below(4'000));
  }

  void remove(const std::string& key) {
    auto writer = *t_.space->writer();
    bool was_there = writer->remove(key).has_value();
    REQUIRE_EQ(was_there, at_now(key).has_value());
    if (was_there) model_[key].push_back({t_.clock.wall_ms(), std::nullopt});
  }

  static std::optional<std::string> seen(const Version& version, uint64_t at_ms) {
    bool is_over = version.expiry_ms && *version.expiry_ms <= at_ms;
    return is_over ? std::nullopt : version.value;
  }

  std::optional<std::string> at_now(const std::string& key) {
    const std::vector<Version>& versions = model_[key];
    return versions.empty() ? std::nullopt : seen(versions.back(), now());
  }

  std::optional<std::string> at_time(const std::string& key, uint64_t at_ms) {
    const std::vector<Version>& versions = model_[key];
    auto found = std::find_if(versions.rbegin(), versions.rend(), [&](const Version& v) { return v.time_ms <= at_ms; });
    return found == versions.rend() ? std::nullopt : seen(*found, at_ms);
  }

  void check(const std::string& key) {
    auto wanted = at_now(key);
    REQUIRE_EQ(t_.get(key), wanted.value_or("none"));
    CHECK_EQ(t_.space->contains(key), wanted.has_value());
    CHECK_EQ(t_.space->find_brief(key).value().has_value(), wanted.has_value());
    for (int i = 0; i < 4; ++i) {
      uint64_t at_ms = t_.clock.wall_ms() + 6'000 - random_.below(20'000);
      auto found = t_.space->find_at_time(key, at_ms);
      REQUIRE(found.has_value());
      std::string answer = *found && !(*found)->is_deletion ? (*found)->value : "none";
      REQUIRE_EQ(answer, at_time(key, at_ms).value_or("none"));
    }
    if (random_.chance(10)) check_scan();
  }

  void check_scan() {
    size_t wanted = 0;
    for (int i = 0; i < kKeys; ++i) wanted += at_now("key" + std::to_string(i)) ? 1 : 0;
    CHECK_EQ(t_.space->scan(0, 100, 3'000'000)->entries.size(), wanted);
  }

  testing::SimulatedRandom random_;
  TestStore t_;
  std::map<std::string, std::vector<Version>> model_;  // in the order of the log
  uint64_t values_ = 0;
  uint64_t swept_before_ = 0, swept_ = 0;
};

}  // namespace

TEST_CASE("what any time would have answered stays what it was, whatever expires and is swept, and whoever sets the clock") {
  uint64_t first = std::getenv("KV_SEED") != nullptr ? std::stoull(std::getenv("KV_SEED")) : 0;
  uint64_t swept = 0;
  for (uint64_t seed = first; seed < (first > 0 ? first + 1 : 60); ++seed) {
    INFO("repeat it with KV_SEED=", seed);
    ExpiryWorld world(seed);
    world.run(400);
    swept += world.swept();
  }
  CHECK(swept > 0);
}
