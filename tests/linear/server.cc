#include "server.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/disk.h"
#include "kv/server.h"

namespace mcloud::linear {
namespace {

constexpr int kStartMs = 20'000;

// Up to the line that says where it listens.
Result<uint16_t> read_port(int fd) {
  std::string said;
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, kStartMs) <= 0) return make_error(Code::TimedOut, "the server does not say its port: " + said);
    char buffer[512];
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) return make_error(Code::Unavailable, "the server ended at once: " + said);
    said.append(buffer, static_cast<size_t>(got));
    size_t at = said.find("port ");
    if (at != std::string::npos && said.find('\n', at) != std::string::npos)
      return static_cast<uint16_t>(std::stoul(said.substr(at + 5)));
  }
}

}  // namespace

Status ServerProcess::start() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  io::Fd from(ends[0]), to(ends[1]);
  child_ = TRY(io::Child::start({.arguments = command()}, {.output = to.get(), .errors = 2}));
  to = io::Fd();
  uint16_t port = TRY(read_port(from.get()));
  std::lock_guard lock(mutex_);
  life_ = {life_.number + 1, port};
  is_up_ = true;
  wake_.notify_all();
  return {};
}

std::vector<std::string> ServerProcess::command() const {
  std::vector<std::string> words = command_;
  if (words[1] == "kv") words.insert(words.end(), {"--port", std::to_string(life_.port)});
  return words;
}

void ServerProcess::kill() {
  {
    std::lock_guard lock(mutex_);
    is_up_ = false;
  }
  child_.reset();
}

void ServerProcess::retire() {
  std::lock_guard lock(mutex_);
  is_retired_ = true;
  wake_.notify_all();
}

std::optional<ServerProcess::Life> ServerProcess::wait_for_life_after(uint64_t last) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return is_retired_ || (is_up_ && life_.number > last); });
  if (is_retired_) return std::nullopt;
  return life_;
}

ServerProcess::Life ServerProcess::last_life() {
  std::lock_guard lock(mutex_);
  return life_;
}

int serve(const std::vector<std::string>& arguments) {
  if (arguments.size() != 3) return 2;
  io::SystemDisk disk;
  io::SystemClock clock;
  io::SystemRandom random;
  kv::ServerOptions options;
  options.threads = 3;
  options.service.folder = arguments[0];
  options.service.dialect = arguments[1] == "redis" ? kv::Dialect::Redis : kv::Dialect::Zdb;
  options.service.defaults.durability = arguments[2] == "always"     ? kv::Durability::Always
                                        : arguments[2] == "interval" ? kv::Durability::Interval
                                                                     : kv::Durability::None;
  options.service.defaults.history = {kv::History::Keep::LastVersions, 1};
  auto store = kv::Store::open(
      disk, clock, {.folder = arguments[0], .segment_bytes = 1 << 20, .defaults = options.service.defaults});
  if (!store) {
    fmt::print(stderr, "open: {}\n", store.error().message);
    return 1;
  }
  auto server = kv::Server::start(**store, disk, clock, random, options);
  if (!server) {
    fmt::print(stderr, "start: {}\n", server.error().message);
    return 1;
  }
  fmt::print("port {}\n", (*server)->port());
  std::fflush(stdout);
  // Compaction goes on all the time; it must change no answer.
  for (;;) {
    for (const std::string& name : (*store)->names()) {
      if (auto space = (*store)->find(name)) (void)space->compact({}).has_value();
    }
    poll(nullptr, 0, 20);
  }
}

}  // namespace mcloud::linear
