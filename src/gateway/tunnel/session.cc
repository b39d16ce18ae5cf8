#include "gateway/tunnel/session.h"

#include <algorithm>

#include "base/check.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kUnknownRttUs = 10'000;
constexpr uint64_t kMeasureUs = 2'000'000;  // the round trip of a busy connection
constexpr uint64_t kAbsentUs = 1'000'000;   // without a tick: we were not there
constexpr uint8_t kEnds = 1;                // 0: it drains

}  // namespace

Session::Session(Role role, const SessionLimits& limits, SessionEvents& events, uint64_t now_us)
    : role_(role), limits_(limits), events_(events), now_us_(now_us), ticked_us_(now_us), heard_us_(now_us) {
  Bytes hello;
  append_u32_le(hello, kTunnelVersion);
  append_u32_le(hello, limits.streams_max);
  send(FrameType::Hello, 0, hello);
}

Status Session::tick(uint64_t now_us) {
  if (failure_) return *failure_;
  now_us_ = now_us;
  if (now_us > ticked_us_ + kAbsentUs) heard_us_ = std::min(now_us, heard_us_ + (now_us - ticked_us_));
  ticked_us_ = now_us;
  if (now_us > heard_us_ + limits_.dead_us) return fail(make_error(Code::TimedOut, "the peer is silent"));
  bool is_time = now_us >= heard_us_ + limits_.ping_us || now_us >= asked_us_ + kMeasureUs;
  if (pinged_us_ != 0 || !is_ready_ || !is_time || now_us < asked_us_ + limits_.ping_us) return {};
  pinged_us_ = asked_us_ = now_us;
  Bytes ping;
  append_u64_le(ping, now_us);
  send(FrameType::Ping, 0, ping);
  return {};
}

// --- sending

void Session::send(FrameType type, uint32_t stream, BytesView payload) {
  char* to = out_.space(kFrameHeaderBytes + payload.size());
  write_frame(to, {type, stream, static_cast<uint32_t>(payload.size())});
  out_.take(kFrameHeaderBytes);
  out_.append(payload);
}

void Session::send_u32(FrameType type, uint32_t stream, uint32_t value) {
  Bytes payload;
  append_u32_le(payload, value);
  send(type, stream, payload);
}

void Session::set_readable(uint32_t number) {
  auto at = streams_.find(number);
  if (at == streams_.end()) return;
  at->second.is_readable = true;
  queue(number, at->second);
}

void Session::queue(uint32_t number, Stream& stream) {
  if (stream.is_queued || !stream.may_send()) return;
  stream.is_queued = true;
  turns_.push_back(number);
}

std::optional<Session::Turn> Session::next_turn() {
  while (!turns_.empty()) {
    uint32_t number = turns_.front();
    turns_.pop_front();
    auto at = streams_.find(number);
    if (at == streams_.end()) continue;
    at->second.is_queued = false;
    if (!at->second.may_send()) continue;
    size_t size = std::min<size_t>(at->second.credit, kPayloadBytesMax);
    return Turn{number, out_.space(kFrameHeaderBytes + size) + kFrameHeaderBytes, size};
  }
  return std::nullopt;
}

void Session::finish_turn(const Turn& turn, size_t got, bool is_readable) {
  auto at = streams_.find(turn.stream);
  CHECK(at != streams_.end() && got <= turn.size);
  if (got > 0) {
    write_frame(turn.space - kFrameHeaderBytes, {FrameType::Data, turn.stream, static_cast<uint32_t>(got)});
    out_.take(kFrameHeaderBytes + got);
    at->second.credit -= static_cast<uint32_t>(got);
  }
  at->second.is_readable = is_readable;
  queue(turn.stream, at->second);
}

void Session::end(uint32_t number) {
  auto at = streams_.find(number);
  if (at == streams_.end()) return;
  Stream& stream = at->second;
  if (!stream.is_open || stream.has_sent_fin || stream.has_sent_reset) return;
  stream.has_sent_fin = true;
  send(FrameType::Fin, number);
  if (stream.has_ended()) --alive_;
  forget_if_over(at);
}

void Session::reset(uint32_t number) {
  auto at = streams_.find(number);
  if (at == streams_.end() || at->second.has_sent_reset) return;
  Stream& stream = at->second;
  if (role_ == Role::Node && !stream.is_open) return refuse(number, Refusal::CannotConnect);
  if (stream.has_ended()) return forget(at);
  stream.has_sent_reset = true;
  unread_ -= std::exchange(stream.unread, 0);
  send(FrameType::Reset, number);
}

// A window grows while its half is used up within two round trips and the reader has taken everything: then it, and not
// the reader, is the bound. It shrinks while much of it lies unread: that is memory, and copies of what is cold by
// then.
void Session::adapt_window(Stream& stream) const {
  bool is_fast = now_us_ - stream.granted_us < 2 * shortest_rtt_us();
  if (unread_ > limits_.unread_pressure)
    stream.window = limits_.window_small;
  else if (stream.unread == 0 && is_fast)
    stream.window = std::min(stream.window * 2, limits_.window_max);
  else if (stream.unread > stream.window / 4)
    stream.window = std::max(stream.window / 2, std::min(stream.window, limits_.window_first));
}

void Session::consumed(uint32_t number, size_t bytes) {
  auto at = streams_.find(number);
  if (at == streams_.end() || at->second.has_sent_reset) return;
  Stream& stream = at->second;
  CHECK(bytes <= stream.unread);
  stream.unread -= static_cast<uint32_t>(bytes);
  unread_ -= bytes;
  if (stream.has_got_fin) return forget_if_over(at);
  uint32_t held = stream.allowed + stream.unread;
  if (held > stream.window / 2) return;
  adapt_window(stream);
  if (held >= stream.window) return;
  stream.granted_us = now_us_;
  stream.allowed += stream.window - held;
  send_u32(FrameType::Window, number, stream.window - held);
}

void Session::drain() {
  if (std::exchange(has_sent_goaway_, true)) return;
  send(FrameType::GoAway, 0, BytesView("\0", 1));
}

void Session::go_away(std::string_view reason) {
  Bytes payload(1, static_cast<char>(kEnds));
  payload += reason.substr(0, kReasonBytesMax);
  send(FrameType::GoAway, 0, payload);
  has_sent_goaway_ = true;
  if (!failure_) failure_ = make_error(Code::Cancelled, std::string(reason));
}

Status Session::fail(Error error) {
  if (!failure_) {
    failure_ = std::move(error);
    go_away(failure_->message);
  }
  return *failure_;
}

// --- streams and targets

uint32_t Session::first_window() const {
  return unread_ > limits_.unread_pressure ? limits_.window_small : limits_.window_first;
}

Result<uint32_t> Session::open(uint32_t target) {
  if (!is_ready_ || failure_ || is_draining() || !targets_.contains(target))
    return make_error(Code::Unavailable, "the node takes no streams to it");
  if (last_stream_ == UINT32_MAX) drain();  // the node dials anew
  if (last_stream_ == UINT32_MAX || alive_ >= std::min(peer_streams_max_, limits_.streams_max))
    return make_error(Code::Exhausted, "the connection has no stream left");
  uint32_t number = ++last_stream_;
  Stream stream;
  stream.window = stream.allowed = first_window();
  stream.granted_us = now_us_;
  Bytes payload;
  append_u32_le(payload, target);
  append_u32_le(payload, stream.window);
  send(FrameType::Open, number, payload);
  streams_.emplace(number, stream);
  ++alive_;
  ++streams_ever_;
  return number;
}

Result<uint32_t> Session::announce(BytesView name) {
  if (name.empty() || name.size() > kTargetBytesMax) return make_error(Code::Invalid, "the target's name is too long");
  if (targets_.size() >= limits_.targets_max || last_target_ == UINT32_MAX)
    return make_error(Code::Exhausted, "too many targets");
  targets_.insert(++last_target_);
  send(FrameType::Announce, last_target_, name);
  return last_target_;
}

void Session::withdraw(uint32_t target) {
  if (targets_.erase(target) > 0) send(FrameType::Withdraw, target);
}

void Session::opened(uint32_t number) {
  auto at = streams_.find(number);
  if (at == streams_.end() || at->second.is_open) return;
  Stream& stream = at->second;
  stream.is_open = true;
  stream.window = stream.allowed = first_window();
  stream.granted_us = now_us_;
  send_u32(FrameType::Opened, number, stream.window);
}

void Session::refuse(uint32_t number, Refusal refusal) {
  auto at = streams_.find(number);
  if (at == streams_.end() || at->second.is_open) return;
  char reason = static_cast<char>(refusal);
  send(FrameType::Refused, number, BytesView(&reason, 1));
  forget(at);
}

void Session::forget(Streams::iterator at) {
  if (!at->second.has_ended()) --alive_;
  unread_ -= at->second.unread;
  streams_.erase(at);
}

// Just now one of the two sides has ended it: what is not consumed yet keeps it.
void Session::forget_if_over(Streams::iterator at) {
  if (at->second.has_ended() && at->second.unread == 0) streams_.erase(at);
}

// Whoever has most to read and does not: the others go on.
void Session::relieve() {
  while (unread_ > limits_.unread_max) {
    auto most = std::max_element(streams_.begin(), streams_.end(),
                                 [](const auto& a, const auto& b) { return a.second.unread < b.second.unread; });
    uint32_t number = most->first;
    reset(number);
    events_.on_reset(number);
  }
}

uint64_t Session::shortest_rtt_us() const {
  if (rtt_count_ == 0) return kUnknownRttUs;
  return *std::min_element(rtts_us_, rtts_us_ + std::min(rtt_count_, std::size(rtts_us_)));
}

}  // namespace mcloud::gateway
