// What the engine does in one process, without a wire: kv_store_bench FOLDER [keys]. Prints one figure a line.
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "io/clock.h"
#include "io/disk.h"
#include "io/file.h"
#include "kv/store.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

using Seconds = std::chrono::duration<double>;

template <typename Work>
double seconds(Work work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return Seconds(std::chrono::steady_clock::now() - begin).count();
}

template <typename T>
T must(Result<T> result) {
  if (result.has_value()) {
    if constexpr (std::is_void_v<T>)
      return;
    else
      return std::move(*result);
  }
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

void figure(const char* name, double value, const char* unit) {
  fmt::print("{:<28} {:>14.1f} {}\n", name, value, unit);
  std::fflush(stdout);
}

// Memory that is ours alone; pages of mapped files belong to the page cache.
double anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) * 1024;
  }
  return 0;
}

struct Bench {
  std::string folder;
  io::SystemDisk disk;
  io::SystemClock clock;
  std::unique_ptr<Store> store;
  NamespacePtr space;

  void open(Durability durability) {
    Store::Options options{.folder = folder};
    options.defaults.durability = durability;
    store = must(Store::open(disk, clock, options));
    space = store->find("default");
  }
  void close() {
    space.reset();
    store.reset();
  }
};

std::string key_of(uint64_t i) { return fmt::format("key-{:012}", i); }

void put_all(Bench& bench, uint64_t count, size_t value_bytes, size_t batch, uint64_t keys) {
  const std::string value(value_bytes, 'v');
  uint64_t random = 88172645463325252;
  for (uint64_t i = 0; i < count;) {
    auto writer = must(bench.space->writer());
    for (size_t n = 0; n < batch && i < count; ++n, ++i) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      must(writer->put(key_of(keys == 0 ? i : random % keys), value));
    }
    must(writer->flush());
  }
}

void measure_values(Bench& bench, size_t value_bytes, uint64_t count) {
  must(io::remove_tree(bench.folder));
  bench.open(Durability::Interval);
  const std::string label = value_bytes < 1000 ? "100b" : value_bytes < 100'000 ? "4k" : "1m";
  uint64_t keys = std::min<uint64_t>(count, 1'000'000);
  double one = seconds([&] { put_all(bench, count, value_bytes, 1, keys); });
  figure(("put_batch1_" + label).c_str(), static_cast<double>(count) / one, "per second");
  double many = seconds([&] { put_all(bench, count, value_bytes, 16, keys); });
  figure(("put_batch16_" + label).c_str(), static_cast<double>(count) / many, "per second");
  for (size_t threads : {1u, 2u}) {
    double get = seconds([&] {
      std::vector<std::jthread> readers;
      for (size_t t = 0; t < threads; ++t) {
        readers.emplace_back([&, t] {
          uint64_t random = 88172645463325252 + t * 977;
          std::string value;
          for (uint64_t i = 0; i < count; ++i) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            value.clear();
            must(bench.space->read_value(key_of(random % keys), value));
          }
        });
      }
    });
    figure(fmt::format("get_threads{}_{}", threads, label).c_str(), static_cast<double>(count * threads) / get,
           "per second");
  }
  if (value_bytes >= 100'000) {
    figure("write_1m", static_cast<double>(count * value_bytes) / many / 1e6, "MB/s");
  }
  bench.close();
}

// As a server does it: several clients, each acknowledged after the sync of its write.
void measure_sync(Bench& bench, size_t clients, size_t value_bytes) {
  must(io::remove_tree(bench.folder));
  bench.open(Durability::Always);
  const uint64_t each = 200'000 / clients / (value_bytes / 100 > 10 ? 2 : 1);
  double took = seconds([&] {
    std::vector<std::jthread> threads;
    for (size_t c = 0; c < clients; ++c) {
      threads.emplace_back([&, c] {
        std::mutex mutex;
        std::condition_variable wake;
        const std::string value(value_bytes, 'v');
        for (uint64_t i = 0; i < each / (clients == 1 ? 10 : 1); ++i) {
          Position end = 0;
          {
            auto writer = must(bench.space->writer());
            end = must(writer->put(key_of(c * each + i), value));
            must(writer->flush());
          }
          bool is_done = false;
          bench.space->when_durable(end, [&](Status status) {
            must(std::move(status));
            std::lock_guard guard(mutex);
            is_done = true;
            wake.notify_one();
          });
          std::unique_lock lock(mutex);
          wake.wait(lock, [&] { return is_done; });
        }
      });
    }
  });
  double count = static_cast<double>(each * clients) / (clients == 1 ? 10 : 1);
  figure(fmt::format("synced_put_clients{}_{}", clients, value_bytes).c_str(), count / took, "per second");
  bench.close();
}

void measure_many_keys(Bench& bench, uint64_t keys) {
  must(io::remove_tree(bench.folder));
  bench.open(Durability::None);
  double before = anonymous_bytes();
  double took = seconds([&] { put_all(bench, keys, 100, 64, 0); });
  figure("fill_batch64_100b", static_cast<double>(keys) / took, "per second");
  figure("index_bytes_per_key", static_cast<double>(bench.space->figures().index_bytes) / static_cast<double>(keys),
         "bytes");
  figure("memory_bytes_per_key", (anonymous_bytes() - before) / static_cast<double>(keys), "bytes");
  figure("close", seconds([&] { bench.close(); }), "s");
  figure("reopen_after_close", seconds([&] { bench.open(Durability::None); }), "s");
  figure("memory_after_reopen_per_key", (anonymous_bytes() - before) / static_cast<double>(keys), "bytes");
  put_all(bench, 1'000'000, 100, 64, keys);
  // Death without a close: the child leaves the store as it is.
  bench.close();
  pid_t child = fork();
  if (child == 0) {
    Bench again{.folder = bench.folder};
    again.open(Durability::None);
    put_all(again, 1'400'000, 100, 64, keys);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  figure("reopen_after_kill", seconds([&] { bench.open(Durability::None); }), "s");
  if (bench.space->figures().keys != keys) must<void>(make_error(Code::Internal, "keys are missing"));
  bench.close();
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: kv_store_bench FOLDER [keys]    (FOLDER/kv-bench is removed)\n");
    return 2;
  }
  Bench bench{.folder = std::string(arguments[1]) + "/kv-bench"};
  measure_values(bench, 100, 1'000'000);
  measure_values(bench, 4096, 200'000);
  measure_values(bench, 1 << 20, 1'000);
  for (size_t clients : {1u, 50u}) measure_sync(bench, clients, 100);
  measure_sync(bench, 50, 4096);
  measure_many_keys(bench, count > 2 ? std::stoull(arguments[2]) : 10'000'000);
  must(io::remove_tree(bench.folder));
  return 0;
}
