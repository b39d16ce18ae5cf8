// What kv_kill.py kills: opens a store, says what it finds, then writes from several threads and says each
// acknowledgement.
//
//   has WRITER SLOT COUNTER PAIR   at the begin, each key: both halves of the pair that one transaction writes
//   open                          all has been said
//   try WRITER COUNTER            before a write           ack WRITER COUNTER   when it is durable
#include <fmt/core.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "io/clock.h"
#include "io/disk.h"
#include "kv/store.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

constexpr uint64_t kSlots = 40;

// One write(2), so that nothing said is lost with the process.
void say(const std::string& line) {
  if (::write(1, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result.has_value()) {
    say("error " + result.error().message + "\n");
    std::_Exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::string key_of(uint64_t writer, uint64_t slot, char half) { return fmt::format("{}/{}/{}", writer, slot, half); }

std::string counter_of(Namespace& space, const std::string& key) {
  std::string value;
  if (!must(space.read_value(key, value))) return "0";
  return value.substr(0, value.find(' '));
}

void dump(Namespace& space, uint64_t writers) {
  for (uint64_t writer = 0; writer < writers; ++writer) {
    for (uint64_t slot = 0; slot < kSlots; ++slot) {
      say(fmt::format("has {} {} {} {}\n", writer, slot, counter_of(space, key_of(writer, slot, 'a')),
                      counter_of(space, key_of(writer, slot, 'b'))));
    }
  }
}

void write_on(Namespace& space, uint64_t writer, uint64_t from) {
  for (uint64_t counter = from;; ++counter) {
    say(fmt::format("try {} {}\n", writer, counter));
    uint64_t slot = counter % kSlots;
    std::string value = fmt::format("{} {}", counter, std::string(counter * 37 % 3000, 'x'));
    Position end = 0;
    {
      auto batch = must(space.writer());
      batch->begin();
      must(batch->put(key_of(writer, slot, 'a'), value));
      end = must(batch->put(key_of(writer, slot, 'b'), value));
      must(batch->commit());
      must(batch->flush());
    }
    std::mutex mutex;
    std::condition_variable wake;
    bool is_durable = false;
    space.when_durable(end, [&](Status status) {
      must(std::move(status));
      std::lock_guard guard(mutex);
      is_durable = true;
      wake.notify_one();
    });
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return is_durable; });
    say(fmt::format("ack {} {}\n", writer, counter));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    fmt::print(stderr, "usage: kv_writer FOLDER WRITERS FIRST_COUNTER\n");
    return 2;
  }
  const uint64_t writers = std::stoull(arguments[2]);
  io::SystemDisk disk;
  io::SystemClock clock;
  Store::Options options{.folder = arguments[1], .segment_bytes = 256 << 10, .compact_bytes_per_s = 1 << 30};
  options.defaults = {.durability = Durability::Always, .history = {History::Keep::LastVersions, 1}};
  auto store = must(Store::open(disk, clock, options));
  auto space = store->find("default");
  if (space->figures().corrupt_records != 0) must<void>(make_error(Code::Corrupt, "corrupt records"));
  dump(*space, writers);
  say("open\n");
  std::vector<std::jthread> threads;
  for (uint64_t writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&, writer] { write_on(*space, writer, std::stoull(arguments[3])); });
  }
  while (true) must(space->compact({}));
}
