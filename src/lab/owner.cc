#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "io/clock.h"
#include "lab/cluster.h"
#include "lab/keeper.h"
#include "lab/layout.h"
#include "lab/logs.h"
#include "lab/root.h"
#include "lab/sweep.h"
#include "wire/json.h"

namespace mcloud::lab {
namespace {

constexpr uint64_t kUpTimeoutMs = 60'000;
constexpr uint64_t kEndTimeoutMs = 15'000;
constexpr int kOwnerDescriptor = 3;  // in the keeper
constexpr int kReportDescriptor = 4;

struct Pipe {
  io::Fd read_end, write_end;
  static Result<Pipe> create() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
    return Pipe{io::Fd(ends[0]), io::Fd(ends[1])};
  }
};

// The keeper's lines until it is ready.
class Report {
 public:
  Report(io::Fd fd, const Owner::Progress& progress) : fd_(std::move(fd)), progress_(progress) {}

  Status wait(uint64_t deadline_ms) {
    while (true) {
      size_t end = text_.find('\n');
      if (end == std::string::npos) {
        TRY(read_more(deadline_ms));
        continue;
      }
      nlohmann::json line = TRY(wire::parse_json(std::string_view(text_).substr(0, end)));
      text_.erase(0, end + 1);
      if (line.contains("ready")) return {};
      if (line.contains("progress") && progress_) progress_(line.value("progress", ""));
      if (!line.contains("error")) continue;
      const nlohmann::json& error = line["error"];
      return make_error(code_from_name(error.value("code", "internal")), error.value("message", "?"));
    }
  }

 private:
  Status read_more(uint64_t deadline_ms);
  io::Fd fd_;
  const Owner::Progress& progress_;
  std::string text_;
};

Status Report::read_more(uint64_t deadline_ms) {
  uint64_t now = io::SystemClock().monotonic_ms();
  pollfd waiting{fd_.get(), POLLIN, 0};
  int ready = now >= deadline_ms ? 0 : ::poll(&waiting, 1, static_cast<int>(deadline_ms - now));
  if (ready < 0 && errno == EINTR) return {};
  if (ready <= 0) return make_error(Code::TimedOut, "the cluster did not start in time");
  char buffer[4096];
  ssize_t got = ::read(fd_.get(), buffer, sizeof buffer);
  if (got < 0 && errno == EINTR) return {};
  if (got <= 0) return make_error(Code::Unavailable, "the cluster's keeper ended; see logs/keeper.log in its folder");
  text_.append(buffer, static_cast<size_t>(got));
  return {};
}

std::optional<int> number_of(const std::string& text) {
  int value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<std::unique_ptr<Owner>> Owner::up(const Options& options, const Progress& progress) {
  if (::geteuid() != 0) return make_error(Code::Denied, "a local cluster needs root: namespaces, bridges and mounts");
  TRY(check(options));
  Folders folders{options.folder};
  TRY(io::make_folders(options.folder, 0700));
  io::Fd log = TRY(open_log(folders, "keeper"));
  {
    auto lock = io::lock_file(folders.lock());
    if (!lock.has_value()) return lock.error().with_context("another cluster is starting in " + options.folder);
    if (is_cluster_alive(cluster_id(options.folder))) {
      return make_error(Code::Conflict, "a cluster is running in " + options.folder + " already");
    }
    TRY(io::write_file(folders.plan(), to_json(options), io::Durability::None, 0600));
  }
  Pipe life = TRY(Pipe::create());
  Pipe report = TRY(Pipe::create());
  io::Command command;
  command.arguments = options.self;
  for (const std::string& word :
       {std::string("keeper"), options.folder, std::to_string(kOwnerDescriptor), std::to_string(kReportDescriptor)}) {
    command.arguments.push_back(word);
  }
  command.descriptors = {{life.read_end.get(), kOwnerDescriptor}, {report.write_end.get(), kReportDescriptor}};
  auto keeper = TRY(io::Child::start(
      command, {.output = log.get(), .errors = log.get(), .die_with_parent = false, .new_session = true}));
  report.write_end.reset();
  std::unique_ptr<Owner> owner(new Owner(options.folder, std::move(keeper), std::move(life.write_end)));
  TRY(Report(std::move(report.read_end), progress).wait(io::SystemClock().monotonic_ms() + kUpTimeoutMs));
  return owner;
}

Owner::~Owner() {
  life_.reset();  // the keeper ends everything and then itself
  if (keeper_ != nullptr) static_cast<void>(keeper_->wait(kEndTimeoutMs));
}

bool Owner::wait(uint64_t timeout_ms) {
  if (keeper_ == nullptr) return true;
  auto ended = keeper_->wait(timeout_ms);
  return !ended.has_value() || ended->has_value();
}

Status Owner::release() {
  TRY(cluster().release());
  keeper_->abandon();
  keeper_.reset();
  return {};
}

int run_hidden(const std::vector<std::string>& words) {
  auto descriptor = [&](size_t i) { return i < words.size() ? number_of(words[i]) : std::nullopt; };
  if (words.size() == 4 && words[0] == "keeper" && descriptor(2).has_value() && descriptor(3).has_value()) {
    return run_keeper(words[1], *descriptor(2), *descriptor(3));
  }
  if (words.size() == 3 && words[0] == "root" && descriptor(2).has_value()) return run_root(words[1], *descriptor(2));
  return 2;
}

}  // namespace mcloud::lab
