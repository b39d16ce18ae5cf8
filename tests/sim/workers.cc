#include "sim/workers.h"

#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>

#include "sim/judge.h"

namespace mcloud::sim {
namespace {

// What a worker says of each of its seeds, in their order. Small enough to be written at once.
struct Word {
  bool has_failed = false;
  RunFigures figures;
  char reason[512] = {};
};
static_assert(std::is_trivially_copyable_v<Word> && sizeof(Word) <= PIPE_BUF);

struct Worker {
  pid_t pid = -1;
  int pipe = -1;
  uint64_t next = 0;  // the seed it is at
  Bytes heard;        // the beginning of a word
};

[[noreturn]] void work(const Seeds& seeds, uint64_t first, int out, const std::function<RunFigures(uint64_t)>& run) {
  for (uint64_t seed = first; seed < seeds.from + seeds.count; seed += seeds.workers) {
    Word word;
    try {
      word.figures = run(seed);
    } catch (const Violation& violation) {
      word.has_failed = true;
      std::snprintf(word.reason, sizeof word.reason, "%s", violation.what());
    }
    if (::write(out, &word, sizeof word) != sizeof word || word.has_failed) break;
  }
  ::_exit(0);
}

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(2);
}

class Crew {
 public:
  Crew(const Seeds& seeds, const std::function<RunFigures(uint64_t)>& run) : seeds_(seeds) {
    figures_.resize(seeds.count);
    std::fflush(nullptr);
    for (uint64_t i = 0; i < seeds.workers; ++i) hire(seeds.from + i, run);
  }
  ~Crew() {
    for (Worker& worker : workers_) dismiss(worker);
  }

  Outcome outcome() {
    while (is_busy()) listen();
    Outcome out;
    out.reason = reason_;
    out.failed = failed_;
    out.has_crashed = has_crashed_;
    uint64_t end = reason_.empty() ? seeds_.from + seeds_.count : failed_;
    for (uint64_t seed = seeds_.from; seed < end; ++seed) out.total.add(figures_[seed - seeds_.from]);
    return out;
  }

 private:
  void hire(uint64_t first, const std::function<RunFigures(uint64_t)>& run) {
    int ends[2];
    if (::pipe(ends) != 0) give_up("pipe");
    pid_t pid = ::fork();
    if (pid < 0) give_up("fork");
    if (pid == 0) {
      ::close(ends[0]);
      work(seeds_, first, ends[1], run);
    }
    ::close(ends[1]);
    workers_.push_back({pid, ends[0], first, {}});
  }

  void dismiss(Worker& worker) {
    if (worker.pid < 0) return;
    ::kill(worker.pid, SIGKILL);
    ::waitpid(worker.pid, nullptr, 0);
    ::close(worker.pipe);
    worker.pid = -1;
  }

  // Nobody is waited for whose seeds come after one that failed.
  bool is_needed(const Worker& worker) const {
    return worker.pid >= 0 && worker.next < seeds_.from + seeds_.count && (reason_.empty() || worker.next < failed_);
  }
  bool is_busy() const { return std::any_of(workers_.begin(), workers_.end(), [&](const Worker& one) { return is_needed(one); }); }

  void listen() {
    std::vector<pollfd> ears;
    for (const Worker& worker : workers_) ears.push_back({is_needed(worker) ? worker.pipe : -1, POLLIN, 0});
    if (::poll(ears.data(), ears.size(), -1) < 0) give_up("poll");
    for (size_t i = 0; i < ears.size(); ++i) {
      if (ears[i].revents != 0) hear(workers_[i]);
    }
  }

  void hear(Worker& worker) {
    char buffer[4096];
    ssize_t size = ::read(worker.pipe, buffer, sizeof buffer);
    if (size <= 0) return bury(worker);
    worker.heard.append(buffer, static_cast<size_t>(size));
    while (worker.heard.size() >= sizeof(Word)) {
      Word word;
      std::memcpy(&word, worker.heard.data(), sizeof word);
      worker.heard.erase(0, sizeof word);
      note(worker, word);
    }
  }

  void note(Worker& worker, const Word& word) {
    figures_[worker.next - seeds_.from] = word.figures;
    if (word.has_failed) fail(worker.next, word.reason, false);
    worker.next += seeds_.workers;
  }

  void bury(Worker& worker) {
    fail(worker.next, "its process ended in the middle of it", true);
    dismiss(worker);
  }

  void fail(uint64_t seed, const std::string& reason, bool has_crashed) {
    if (!reason_.empty() && failed_ <= seed) return;
    failed_ = seed;
    reason_ = reason;
    has_crashed_ = has_crashed;
  }

  const Seeds seeds_;
  std::vector<Worker> workers_;
  std::vector<RunFigures> figures_;  // by seed
  uint64_t failed_ = 0;
  std::string reason_;
  bool has_crashed_ = false;
};

}  // namespace

Outcome run_seeds(const Seeds& seeds, const std::function<RunFigures(uint64_t)>& run) {
  Seeds some = seeds;
  some.workers = std::clamp<uint64_t>(seeds.workers, 1, std::max<uint64_t>(seeds.count, 1));
  return Crew(some, run).outcome();
}

uint64_t cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<uint64_t>(std::max(CPU_COUNT(&set), 1));
}

}  // namespace mcloud::sim
