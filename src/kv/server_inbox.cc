#include "kv/server_inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace mcloud::kv {

Result<std::shared_ptr<Inbox>> Inbox::make() {
  auto inbox = std::make_shared<Inbox>();
  inbox->event_ = io::Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!inbox->event_.is_open()) return errno_error(errno, "eventfd");
  return inbox;
}

void Inbox::post(std::function<void()> function) {
  std::lock_guard lock(mutex_);
  if (is_closed_) return;
  functions_.push_back(std::move(function));
  if (functions_.size() > 1) return;  // it is awake already
  uint64_t one = 1;
  static_cast<void>(!write(event_.get(), &one, sizeof one));  // fails only when it is readable anyway
}

std::vector<std::function<void()>> Inbox::take() {
  uint64_t count = 0;
  static_cast<void>(!read(event_.get(), &count, sizeof count));
  std::vector<std::function<void()>> taken;
  std::lock_guard lock(mutex_);
  taken.swap(functions_);
  return taken;
}

void Inbox::close() {
  std::lock_guard lock(mutex_);
  is_closed_ = true;
  functions_.clear();
}

}  // namespace mcloud::kv
