#include "lab/poller.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "io/clock.h"

namespace mcloud::lab {
namespace {

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

// A descriptor's number may be reused while an event for its former owner still waits in the batch.
uint64_t key_of(int fd, uint64_t generation) { return generation << 32 | static_cast<uint32_t>(fd); }

}  // namespace

Result<std::unique_ptr<Poller>> Poller::create() {
  io::Fd fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "epoll_create1");
  return std::unique_ptr<Poller>(new Poller(std::move(fd)));
}

Status Poller::add(int fd, uint32_t events, Ready ready) {
  uint64_t generation = ++last_number_ & 0xFFFFFFFF;
  epoll_event event{events, {.u64 = key_of(fd, generation)}};
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno_error(errno, "epoll_ctl");
  watches_[fd] = {generation, std::make_shared<Ready>(std::move(ready))};
  return {};
}

void Poller::change(int fd, uint32_t events) {
  auto watch = watches_.find(fd);
  CHECK(watch != watches_.end());
  epoll_event event{events, {.u64 = key_of(fd, watch->second.generation)}};
  CHECK(::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Poller::remove(int fd) {
  if (watches_.erase(fd) > 0) CHECK(::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
}

uint64_t Poller::after(uint64_t delay_ms, std::function<void()> function) {
  uint64_t number = ++last_number_;
  uint64_t moment = now_ms() + delay_ms;
  timers_[{moment, number}] = std::move(function);
  moments_[number] = moment;
  return number;
}

void Poller::cancel(uint64_t timer) {
  auto moment = moments_.find(timer);
  if (moment == moments_.end()) return;
  timers_.erase({moment->second, timer});
  moments_.erase(moment);
}

void Poller::run_timers() {
  uint64_t now = now_ms();
  while (!stopped_ && !timers_.empty() && timers_.begin()->first.first <= now) {
    auto timer = timers_.extract(timers_.begin());
    moments_.erase(timer.key().second);
    timer.mapped()();
  }
}

int Poller::wait_ms() const {
  if (timers_.empty()) return -1;
  uint64_t now = now_ms();
  uint64_t moment = timers_.begin()->first.first;
  return moment <= now ? 0 : static_cast<int>(std::min<uint64_t>(moment - now, 60'000));
}

void Poller::run() {
  std::array<epoll_event, 64> events;
  while (!stopped_) {
    int count = ::epoll_wait(fd_.get(), events.data(), static_cast<int>(events.size()), wait_ms());
    CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count && !stopped_; ++i) {
      int fd = static_cast<int>(events[i].data.u64 & 0xFFFFFFFF);
      auto watch = watches_.find(fd);
      if (watch == watches_.end() || watch->second.generation != events[i].data.u64 >> 32) continue;
      std::shared_ptr<Ready> ready = watch->second.ready;  // survives its own remove()
      (*ready)(events[i].events);
    }
    run_timers();
  }
}

Result<io::Fd> signal_descriptor(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (int number : numbers) sigaddset(&set, number);
  if (pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return make_error(Code::Internal, "pthread_sigmask failed");
  io::Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.is_open()) return errno_error(errno, "signalfd");
  return fd;
}

int take_signal(const io::Fd& descriptor) {
  signalfd_siginfo info{};
  return ::read(descriptor.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

}  // namespace mcloud::lab
