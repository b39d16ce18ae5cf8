#include <boost/asio/post.hpp>

#include "wire/http_connection.h"

namespace mcloud::wire {

HttpStreamState::HttpStreamState(std::weak_ptr<HttpCore> core, std::weak_ptr<HttpConnection> connection,
                                 bool is_chunked, size_t backlog_bytes_max)
    : core_(std::move(core)),
      connection_(std::move(connection)),
      is_chunked_(is_chunked),
      backlog_bytes_max_(backlog_bytes_max) {}

bool HttpStreamState::write(std::string_view text) {
  std::lock_guard lock(mutex_);
  if (closed_ || gone_) return false;
  if (text.empty()) return true;
  if (backlog_bytes_ > backlog_bytes_max_) {
    gone_ = true;
    woken_ = false;  // at once, even if the connection is busy with what was written before
    wake();
    return false;
  }
  size_t before = pending_.size();
  pending_ += is_chunked_ ? chunk_of(text) : std::string(text);
  backlog_bytes_ += pending_.size() - before;
  wake();
  return true;
}

void HttpStreamState::close() {
  std::lock_guard lock(mutex_);
  if (closed_ || gone_) return;
  closed_ = true;
  if (is_chunked_) pending_ += kLastChunk;
  wake();
}

bool HttpStreamState::is_open() const {
  std::lock_guard lock(mutex_);
  return !closed_ && !gone_;
}

void HttpStreamState::wake() {
  if (woken_) return;
  std::shared_ptr<HttpCore> core = core_.lock();
  if (core == nullptr) return;
  woken_ = true;
  boost::asio::post(core->context, [connection = connection_] {
    if (auto alive = connection.lock()) alive->advance_stream();
  });
}

std::optional<std::string> HttpStreamState::take_pending() {
  std::lock_guard lock(mutex_);
  woken_ = false;
  if (pending_.empty() && closed_) return std::nullopt;
  return std::exchange(pending_, {});
}

bool HttpStreamState::is_cut_off() const {
  std::lock_guard lock(mutex_);
  return gone_;
}

void HttpStreamState::sent(size_t bytes) {
  std::lock_guard lock(mutex_);
  backlog_bytes_ -= std::min(bytes, backlog_bytes_);
}

void HttpStreamState::peer_gone() {
  std::lock_guard lock(mutex_);
  gone_ = true;
}

}  // namespace mcloud::wire
