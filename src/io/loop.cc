#include "io/loop.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <optional>

namespace mcloud::io {

namespace asio = boost::asio;

struct Loop::Inside {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
  std::optional<asio::signal_set> signals;
  std::optional<asio::signal_set> hangups;
  std::function<void()> on_hangup;

  void wait_for_hangup() {
    hangups->async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      wait_for_hangup();
      on_hangup();
    });
  }
  std::atomic<bool> stopped = false;
};

void Timer::cancel() { alive_.reset(); }

Loop::Loop() : inside_(std::make_unique<Inside>()) {}
Loop::~Loop() = default;

void Loop::run() { inside_->context.run(); }

void Loop::stop() {
  inside_->stopped = true;
  inside_->context.stop();
}

void Loop::post(std::function<void()> function) {
  if (!inside_->stopped) asio::post(inside_->context, std::move(function));
}

Timer Loop::after(uint64_t delay_ms, std::function<void()> function) {
  // A century, for whoever means "never": steady_timer would overflow.
  constexpr uint64_t delay_ms_max = 100ull * 365 * 86'400'000;
  auto wait = std::make_shared<asio::steady_timer>(
      inside_->context, std::chrono::milliseconds(static_cast<int64_t>(std::min(delay_ms, delay_ms_max))));
  Timer timer;
  // The context owns the wait. Letting go of the Timer cancels it at once, so that what the function
  // captured does not live on until it would have been due; after the loop there is nothing to cancel.
  timer.alive_ = std::shared_ptr<bool>(new bool(true), [weak = std::weak_ptr(wait)](bool* alive) {
    delete alive;
    if (auto pending = weak.lock()) pending->cancel();
  });
  wait->async_wait([wait, alive = std::weak_ptr(timer.alive_),
                    function = std::move(function)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) function();
  });
  return timer;
}

void Loop::stop_on_signals() {
  inside_->signals.emplace(inside_->context, SIGINT, SIGTERM);
  inside_->signals->async_wait([this](const boost::system::error_code& error, int) {
    if (!error) stop();
  });
}

void Loop::on_hangup(std::function<void()> function) {
  inside_->on_hangup = std::move(function);
  inside_->hangups.emplace(inside_->context, SIGHUP);
  inside_->wait_for_hangup();
}

}  // namespace mcloud::io
