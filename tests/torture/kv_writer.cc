// What kv_kill.py kills: opens a store, says what it finds, then writes from several threads and says each
// acknowledgement.
//
//   has WRITER SLOT COUNTER PAIR   at the begin, each key: both halves of the pair that one transaction writes
//   space NUMBER VALUE             each namespace that comes and goes, and its one value (0: none)
//   open                           all has been said
//   try WRITER COUNTER             before a write           ack WRITER COUNTER   when it is acknowledged
//   make, made, kept, drop, dropped NUMBER   around what is done to a namespace
// "Acknowledged" is durable with durability `always`. With the others it is flushed: a kill loses nothing of that either.
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

void wait_for_durable(Namespace& space, Position end) {
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
}

void dump_spaces(Store& store) {
  for (const std::string& name : store.names()) {
    if (name == "default") continue;
    std::string value = "0";
    auto space = store.find(name);
    if (space->figures().corrupt_records != 0) must<void>(make_error(Code::Corrupt, "corrupt records in " + name));
    std::string found;
    if (must(space->read_value("value", found))) value = found;
    say(fmt::format("space {} {}\n", name, value));
  }
}

// Namespaces come, are written to, and go; what earlier lives have left goes first.
void churn(Store& store, uint64_t from) {
  for (const std::string& name : store.names()) {
    if (name == "default") continue;
    say(fmt::format("drop {}\n", name));
    must(store.remove(name));
    say(fmt::format("dropped {}\n", name));
  }
  for (uint64_t number = from;; ++number) {
    std::string name = std::to_string(number);
    say(fmt::format("make {}\n", name));
    auto space = must(store.create(name, store.find("default")->settings()));
    say(fmt::format("made {}\n", name));
    Position end = 0;
    {
      auto writer = must(space->writer());
      end = must(writer->put("value", name));
      must(writer->flush());
    }
    if (space->settings().durability == Durability::Always) wait_for_durable(*space, end);
    say(fmt::format("kept {}\n", name));
    if (number < from + 3) continue;
    std::string old = std::to_string(number - 3);
    say(fmt::format("drop {}\n", old));
    must(store.remove(old));
    say(fmt::format("dropped {}\n", old));
  }
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
    if (space.settings().durability == Durability::Always) wait_for_durable(space, end);
    say(fmt::format("ack {} {}\n", writer, counter));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    fmt::print(stderr, "usage: kv_writer FOLDER WRITERS FIRST_COUNTER DURABILITY\n");
    return 2;
  }
  const uint64_t writers = std::stoull(arguments[2]);
  io::SystemDisk disk;
  io::SystemClock clock;
  Store::Options options{.folder = arguments[1], .segment_bytes = 256 << 10, .compact_bytes_per_s = 1 << 30};
  std::string durability = arguments[4];
  options.defaults = {.durability = durability == "always"     ? Durability::Always
                                    : durability == "interval" ? Durability::Interval
                                                               : Durability::None,
                      .interval_ms = 20,
                      .history = {History::Keep::LastVersions, 1}};
  auto store = must(Store::open(disk, clock, options));
  auto space = store->find("default");
  if (space->figures().corrupt_records != 0) must<void>(make_error(Code::Corrupt, "corrupt records"));
  dump(*space, writers);
  dump_spaces(*store);
  say("open\n");
  std::vector<std::jthread> threads;
  for (uint64_t writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&, writer] { write_on(*space, writer, std::stoull(arguments[3])); });
  }
  threads.emplace_back([&] { churn(*store, std::stoull(arguments[3])); });
  while (true) must(space->compact({}));
}
