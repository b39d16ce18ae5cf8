#include "gateway/tunnel/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/clock.h"

namespace mcloud::gateway {
namespace {

constexpr int kEventsMax = 256;

uint64_t key_of(int fd, uint32_t generation) {
  return static_cast<uint64_t>(generation) << 32 | static_cast<uint32_t>(fd);
}

uint32_t events_of(Poller::Interest interest) {
  return EPOLLIN | EPOLLRDHUP | EPOLLET | (interest == Poller::Interest::BytesAndRoom ? EPOLLOUT : 0u);
}

}  // namespace

Poller::Poller(io::Fd epoll, io::Fd bell)
    : epoll_(std::move(epoll)),
      bell_(std::move(bell)),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)),
      now_us_(io::SystemClock().monotonic_us()) {}

Result<std::unique_ptr<Poller>> Poller::create() {
  io::Fd epoll(epoll_create1(EPOLL_CLOEXEC)), bell(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll.is_open() || !bell.is_open()) return errno_error(errno, "epoll");
  epoll_event event{.events = EPOLLIN, .data = {.u64 = key_of(bell.get(), 0)}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, bell.get(), &event) != 0) return errno_error(errno, "epoll");
  return std::unique_ptr<Poller>(new Poller(std::move(epoll), std::move(bell)));
}

Status Poller::add(int fd, Watcher& watcher, Interest interest) {
  auto index = static_cast<size_t>(fd);
  if (index >= slots_.size()) slots_.resize(std::max(index + 1, slots_.size() * 2));
  Slot& slot = slots_[index];
  epoll_event event{.events = events_of(interest), .data = {.u64 = key_of(fd, ++slot.generation)}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno_error(errno, "epoll");
  slot.watcher = &watcher;
  return {};
}

void Poller::change(int fd, Interest interest) {
  epoll_event event{.events = events_of(interest),
                    .data = {.u64 = key_of(fd, slots_[static_cast<size_t>(fd)].generation)}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::remove(int fd) {
  if (fd < 0 || static_cast<size_t>(fd) >= slots_.size() || slots_[static_cast<size_t>(fd)].watcher == nullptr) return;
  slots_[static_cast<size_t>(fd)].watcher = nullptr;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::touch(Watcher& watcher) {
  if (!std::exchange(watcher.is_touched_, true)) touched_.push_back(&watcher);
}

void Poller::forget(Watcher& watcher) {
  if (watcher.is_touched_) std::erase(touched_, &watcher);
  std::replace(running_.begin(), running_.end(), &watcher, static_cast<Watcher*>(nullptr));
}

void Poller::post(std::function<void()> function) {
  std::lock_guard lock(mutex_);
  posted_.push_back(std::move(function));
  uint64_t one = 1;
  static_cast<void>(!write(bell_.get(), &one, sizeof one));  // fails only when it is readable anyway
}

void Poller::run_posted() {
  uint64_t count = 0;
  static_cast<void>(!read(bell_.get(), &count, sizeof count));
  std::vector<std::function<void()>> posted;
  {
    std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  for (std::function<void()>& function : posted) function();
}

void Poller::run_turns() {
  running_ = std::exchange(touched_, {});
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i] == nullptr) continue;
    running_[i]->is_touched_ = false;  // it may be touched anew in its turn
    running_[i]->on_turn();
  }
  running_.clear();
}

void Poller::run_once(int timeout_ms) {
  epoll_event events[kEventsMax];
  int count = epoll_wait(epoll_.get(), events, kEventsMax, touched_.empty() ? timeout_ms : 0);
  now_us_ = io::SystemClock().monotonic_us();
  for (int i = 0; i < count; ++i) {
    auto fd = static_cast<uint32_t>(events[i].data.u64);
    if (static_cast<int>(fd) == bell_.get()) {
      run_posted();
      continue;
    }
    Slot slot = slots_[fd];
    bool is_current = slot.watcher != nullptr && slot.generation == events[i].data.u64 >> 32;
    if (is_current) slot.watcher->on_events(events[i].events);
  }
  run_turns();
}

}  // namespace mcloud::gateway
