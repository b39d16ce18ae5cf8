// What a content cache costs: image_cache_bench FOLDER [contents]. Prints one figure a line. On ext4 a folder beside
// files that were removed in the last minutes makes new files ten times as dear (it avoids their inodes).
#include <fmt/core.h>
#include <malloc.h>

#include <chrono>
#include <fstream>
#include <vector>

#include "crypto/hash.h"
#include "image/cache/cache_names.h"
#include "image/cache/content_cache.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

template <typename Work>
double seconds(Work work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <typename T>
T must(Result<T> result) {
  if (!result.has_value()) {
    fmt::print(stderr, "{}\n", result.error().message);
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void figure(const char* name, double value, const char* unit) {
  fmt::print("{:<28} {:>14.1f} {}\n", name, value, unit);
  std::fflush(stdout);
}

double anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) * 1024;
  }
  return 0;
}

constexpr uint64_t kSmall = 8'000;

std::vector<ContentId> some_ids(size_t count) {
  std::vector<ContentId> out;
  for (size_t i = 0; i < count; ++i) out.push_back(crypto::blake2b("content " + std::to_string(i)));
  return out;
}

void settle_all(ContentCache& cache) {
  while (must(cache.settle())) continue;
}

void keep_small(ContentCache& cache, const std::vector<ContentId>& ids) {
  const Bytes plain(kSmall, 'x');
  const auto count = static_cast<double>(ids.size());
  double settling = 0;
  double keeping = seconds([&] {
    for (size_t i = 0; i < ids.size(); ++i) {
      must(must(cache.hold(ids[i], kSmall))->keep(0, plain));
      if (i % 1000 == 999) settling += seconds([&] { settle_all(cache); });
    }
    settling += seconds([&] { settle_all(cache); });
  });
  figure("keep_and_settle", count / keeping, "contents/s");
  figure("keep", (keeping - settling) / count * 1e6, "us/content");
  figure("settle", settling / count * 1e6, "us/content");
}

void hold_known(ContentCache& cache, const std::vector<ContentId>& ids) {
  const auto count = static_cast<double>(ids.size());
  double first = seconds([&] {
    for (const ContentId& id : ids) must(cache.hold(id, kSmall));
  });
  figure("hold_known", first / count * 1e6, "us");
  auto held = must(cache.hold(ids[0], kSmall));
  constexpr int kTimes = 1'000'000;
  double again = seconds([&] {
    for (int i = 0; i < kTimes; ++i) must(cache.hold(ids[0], kSmall));
  });
  figure("hold_held", again / kTimes * 1e9, "ns");
}

void keep_large(ContentCache& cache) {
  constexpr uint64_t kBytes = 512ull << 20;
  Bytes plain(kBlockBytes, 'y');
  auto content = must(cache.hold(crypto::blake2b("large"), kBytes));
  double time = seconds([&] {
    for (uint32_t block = 0; block < content->blocks(); ++block) must(content->keep(block, plain));
    settle_all(cache);
  });
  figure("keep_and_settle_large", kBytes / time / 1e6, "MB/s");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: image_cache_bench FOLDER [contents]\n");
    return 2;
  }
  const CacheOptions options{.folder = argv[1]};
  auto ids = some_ids(argc > 2 ? std::stoul(argv[2]) : 20'000);
  {
    auto cache = must(ContentCache::open(options));
    keep_small(*cache, ids);
    keep_large(*cache);
  }
  ::malloc_trim(0);
  double before = anonymous_bytes();
  std::unique_ptr<ContentCache> cache;
  figure("open", seconds([&] { cache = must(ContentCache::open(options)); }) * 1e3, "ms");
  double each = (anonymous_bytes() - before) / static_cast<double>(ids.size());
  figure("memory", each * 10'000 / 1024, "KiB/10000 contents");
  hold_known(*cache, ids);
  figure("settle_touches", seconds([&] { settle_all(*cache); }) / static_cast<double>(ids.size()) * 1e6, "us/content");
  return 0;
}
