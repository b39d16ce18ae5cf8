// Whatever of the unsynced writes, names and removals a power cut leaves, no reader sees a byte that was not kept.
#include <doctest/doctest.h>
#include <unistd.h>

#include <set>

#include "image/cache/cache_names.h"
#include "image/cache/test_fakes.h"
#include "image/cache/test_files.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;
using namespace mcloud::image::testing;
using mcloud::testing::SimulatedDisk;
using mcloud::testing::SimulatedRandom;
using mcloud::testing::TemporaryFolder;

namespace {

// Small ones, and some of several blocks; the last is all zeros but for its end.
constexpr std::array<uint64_t, 8> kSizes = {1,    700,  4096, kBlockBytes, 513, kBlockBytes + 3, 2 * kBlockBytes + 700,
                                            3 * kBlockBytes};

const Bytes& content_of(size_t number) {
  static const std::array<Bytes, kSizes.size()> all = [] {
    std::array<Bytes, kSizes.size()> out;
    for (size_t i = 0; i < out.size(); ++i) out[i] = some_bytes(kSizes[i], i + 1);
    out.back().assign(kSizes.back() - 1, '\0');
    out.back().push_back('x');
    return out;
  }();
  return all[number];
}

ContentId id_of(size_t number) { return crypto::blake2b(std::to_string(number)); }

class World {
 public:
  explicit World(uint64_t seed) : random_(seed), disk_(seed * 31 + 7) {
    bytes_max_ = random_.chance(50) ? 1 << 30 : 3 << 20;
    open();
  }

  void run(int crashes) {
    for (int i = 0; i < crashes; ++i) {
      bool is_power_cut = random_.chance(70);
      if (is_power_cut) disk_.cut_power_after(1 + random_.below(120));
      int steps = static_cast<int>(random_.below(40));
      for (int step = 0; step < steps && disk_.has_power(); ++step) one_step();
      if (is_power_cut) disk_.cut_power();
      crash(is_power_cut);
    }
  }
  uint64_t found() const { return found_; }

 private:
  void open() {
    auto files = MirroredFiles::open(disk_, folder_ / std::to_string(++lives_));
    REQUIRE_MESSAGE(files.has_value(), files.error().message);
    auto opened = ContentCache::open(std::move(*files), bytes_max_);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    cache_ = std::move(*opened);
  }

  void crash(bool is_power_cut) {
    bool has_evicted = cache_->figures().evicted > 0;
    held_.clear();
    cache_.reset();
    disk_.set_plan(nullptr);
    if (is_power_cut) {
      disk_.restore_power();
      settled_.clear();
    } else {
      disk_.kill_process();
    }
    open();
    CHECK(cache_->figures().unsettled == 0);
    for (size_t number = 0; number < kSizes.size(); ++number) check(number);
    // A process that dies loses nothing that was settled.
    if (!has_evicted) {
      for (auto [number, block] : settled_) CHECK((*cache_->hold(id_of(number), kSizes[number]))->has(block));
    }
    settled_.clear();
  }

  void check(size_t number) {
    auto content = cache_->hold(id_of(number), kSizes[number]);
    REQUIRE_MESSAGE(content.has_value(), content.error().message);
    for (uint32_t block = 0; block < (*content)->blocks(); ++block) {
      if (!(*content)->has(block)) continue;
      ++found_;
      Bytes read(block_bytes(kSizes[number], block), '\0');
      ssize_t got = ::pread((*content)->fd(), read.data(), read.size(), static_cast<off_t>(block * kBlockBytes));
      bool is_right = got == static_cast<ssize_t>(read.size()) &&
                      read == content_of(number).substr(block * kBlockBytes, kBlockBytes);
      CHECK_MESSAGE(is_right, "content ", number, " block ", block);
    }
  }

  void keep_some() {
    size_t number = random_.below(kSizes.size());
    auto content = cache_->hold(id_of(number), kSizes[number]);
    if (!content.has_value()) return;
    for (uint32_t block = 0; block < (*content)->blocks(); ++block) {
      if (random_.chance(50)) continue;
      bool is_kept =
          (*content)->keep(block, content_of(number).substr(block * kBlockBytes, kBlockBytes)).has_value();
      CHECK((*content)->has(block) >= is_kept);
    }
    if (random_.chance(30)) held_.push_back(*content);
  }

  void settle() {
    Result<bool> more = true;
    while (more.has_value() && *more) more = cache_->settle();
    if (!more.has_value()) return settled_.clear();  // what a disk has failed on is forgotten
    for (size_t number = 0; number < kSizes.size(); ++number) {
      auto content = cache_->hold(id_of(number), kSizes[number]);
      for (uint32_t block = 0; content.has_value() && block < (*content)->blocks(); ++block) {
        if ((*content)->has(block)) settled_.insert({number, block});
      }
    }
  }

  // Some operations of one kind fail, as on a full or a broken disk.
  void plan_fault() {
    using Operation = SimulatedDisk::Operation;
    auto kind = std::array{Operation::Write, Operation::Sync, Operation::Name, Operation::Open}[random_.below(4)];
    auto code = random_.chance(50) ? Code::Exhausted : Code::Internal;
    auto left = std::make_shared<uint64_t>(1 + random_.below(3));
    disk_.set_plan([=](Operation operation, const std::string&) -> std::optional<Error> {
      if (operation != kind || *left == 0) return std::nullopt;
      --*left;
      return make_error(code, "as planned");
    });
  }

  void one_step() {
    switch (random_.below(10)) {
      case 0: plan_fault(); break;
      case 1: held_.clear(); break;
      case 2:
      case 3: settle(); break;
      case 4: check(random_.below(kSizes.size())); break;
      default: keep_some();
    }
  }

  SimulatedRandom random_;
  SimulatedDisk disk_;
  TemporaryFolder folder_;
  uint64_t bytes_max_;
  uint64_t lives_ = 0, found_ = 0;
  std::unique_ptr<ContentCache> cache_;
  std::vector<std::shared_ptr<Content>> held_;
  std::set<std::pair<size_t, uint32_t>> settled_;
};

}  // namespace

TEST_CASE("a power cut or a kill at any moment costs fetches and never gives a wrong byte") {
  uint64_t found = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.run(6);
    found += world.found();
  }
  CHECK(found > 200);  // and something survives
}
