// Sessions of both dialects: whatever they are told, they do not crash, what they answer is well-formed RESP, and what
// they hold is bounded. Some inputs are bytes, others lines of words that become requests, by two clients in turns.
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>

#include "io/clock.h"
#include "io/disk.h"
#include "kv/session.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

constexpr size_t kMemoryMost = 40 << 20;  // a whole request of 64 KiB arguments, and its copy

// How many bytes the reply at `at` takes; 0 when it is none. RESP2 and RESP3.
size_t reply_size(BytesView bytes, size_t at, int depth = 0) {
  size_t end = bytes.find("\r\n", at);
  if (end == BytesView::npos || depth > 8) return 0;
  char kind = bytes[at];
  std::string line(bytes.substr(at + 1, end - at - 1));
  size_t begin = at;
  at = end + 2;
  if (std::string_view("+-:_#,(").find(kind) != std::string_view::npos) return at - begin;
  char* rest = nullptr;
  long count = std::strtol(line.c_str(), &rest, 10);
  if (line.empty() || *rest != 0 || count < -1) return 0;
  if (kind == '$' || kind == '=') {
    if (count == -1) return at - begin;
    at += static_cast<size_t>(count) + 2;
    return at <= bytes.size() && bytes.substr(at - 2, 2) == "\r\n" ? at - begin : 0;
  }
  if (std::string_view("*~>%").find(kind) == std::string_view::npos) return 0;
  for (long left = kind == '%' ? 2 * count : count; left > 0; --left) {
    size_t size = at < bytes.size() ? reply_size(bytes, at, depth + 1) : 0;
    if (size == 0) return 0;
    at += size;
  }
  return at - begin;
}

// Time stands still between inputs, so that they do the same again.
class FuzzClock final : public Clock {
 public:
  uint64_t monotonic_ms() const override { return 1'000'000 + passed_ms; }
  uint64_t wall_ms() const override { return 1'700'000'000'000 + passed_ms; }
  uint64_t passed_ms = 0;
};

class FuzzRandom final : public Random {
 public:
  Bytes bytes(size_t count) override { return Bytes(count, 'r'); }
  uint64_t below(uint64_t bound) override { return bound / 2; }
};

// One store for all inputs, in memory where there is such a file system.
struct World {
  World() {
    std::string parent = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    folder = parent + "/mcloud-session-fuzz-" + std::to_string(getpid());
    std::filesystem::remove_all(folder);
    store = Store::open(disk, clock, {.folder = folder, .segment_bytes = 4 << 20,
                                      .defaults = {.durability = Durability::None}})
                .value();
  }
  ~World() {
    store.reset();
    std::filesystem::remove_all(folder);
  }
  std::string folder;
  io::SystemDisk disk;
  FuzzClock clock;
  FuzzRandom random;
  std::unique_ptr<Store> store;
};

class Shell final : public SessionPort, public Round::Waiter {
 public:
  Shell(World& world, const ServiceOptions& options)
      : state_(*world.store, world.disk, world.clock, world.random, options), dialect_(options.dialect) {
    for (const std::string& name : state_.names()) {
      if (name != kDefaultNamespace) (void)state_.remove(state_.find(name)).has_value();
    }
    (void)state_.clear(state_.find(kDefaultNamespace)).has_value();
    (void)state_.change(*state_.find(kDefaultNamespace), [](Settings& settings) { settings = {.durability = Durability::None}; });
  }
  ~Shell() override { sessions_.clear(); }

  void feed(uint64_t client, BytesView bytes) {
    auto& session = sessions_[client];
    if (session == nullptr)
      session = std::make_unique<Session>(state_, *this, Session::Identity{client, client, "fuzz", dialect_});
    if (session->is_over()) session = nullptr;
    if (session == nullptr) return feed(client, bytes);
    {
      Round round(*this);
      session->feed(bytes, round);
    }
    settle();
  }
  void pass(uint64_t ms, FuzzClock& clock) {
    clock.passed_ms += ms;
    for (auto& [id, session] : sessions_) session->tick(clock.monotonic_ms());
    settle();
  }

  void post(uint64_t session, uint64_t ticket, Bytes bytes) override { posted_.push_back({session, ticket, bytes}); }
  void run_elsewhere(uint64_t session, uint64_t ticket, std::function<Bytes()> work) override {
    post(session, ticket, work());
  }
  void when_durable(const SpacePtr&, Position) override {}
  Tallies& tallies() override { return tallies_; }

 private:
  struct Posted {
    uint64_t session, ticket;
    Bytes bytes;
  };

  // Sends everything, delivers what was posted, until nothing moves.
  void settle() {
    for (bool moves = true; moves;) {
      moves = !posted_.empty();
      for (Posted& one : std::exchange(posted_, {})) {
        if (auto found = sessions_.find(one.session); found != sessions_.end())
          found->second->deliver(one.ticket, one.bytes);
      }
      for (auto& [id, session] : sessions_) moves |= send(*session);
    }
  }
  bool send(Session& session) {
    BytesView bytes = session.sendable();
    for (size_t at = 0; at < bytes.size();) {
      size_t size = reply_size(bytes, at);
      if (size == 0) std::abort();
      at += size;
    }
    bool moves = !bytes.empty();
    session.sent(bytes.size());
    if (session.memory() > kMemoryMost) std::abort();
    if (session.has_requests_left() && !session.is_waiting()) {
      Round round(*this);
      session.resume(round);
      return true;
    }
    return moves;
  }

  ServerState state_;
  Tallies& tallies_ = state_.make_tallies();
  Dialect dialect_;
  std::deque<Posted> posted_;
  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
};

Bytes request_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return wire::resp_request(words);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size < 2) return 0;
  uint8_t how = data[0], step = data[1];
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  ServiceOptions options{.folder = world.folder};
  options.dialect = (how & 1) != 0 ? Dialect::Redis : Dialect::Zdb;
  options.mode = (how & 2) != 0 ? ModePolicy::Mixed : ModePolicy::User;
  if ((how & 4) != 0) options.admin_password = "p";
  options.protects_default = (how & 12) == 12;
  world.clock.passed_ms = 0;
  Shell shell(world, options);
  if ((how & 16) != 0) {
    for (size_t at = 0; at < text.size(); at += step + 1u) shell.feed(0, text.substr(at, step + 1u));
    return 0;
  }
  for (uint64_t number = 0; !text.empty(); ++number) {
    size_t end = std::min(text.find('\n'), text.size());
    shell.feed((step >> number % 8) & 1, request_of(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (number % 16 == 15) shell.pass(200, world.clock);
  }
  shell.pass(60'000, world.clock);
  return 0;
}
