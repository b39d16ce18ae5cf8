// What a session does with the peer's frames.
#include <algorithm>

#include "gateway/planted.h"
#include "gateway/tunnel/session.h"

namespace mcloud::gateway {
namespace {

constexpr uint32_t kCreditMax = INT32_MAX;
constexpr uint8_t kEnds = 1;  // 0: it drains

Error wrong(std::string what) { return make_error(Code::Corrupt, "the peer breaks the protocol: " + std::move(what)); }

Error wrong_stream(uint32_t stream, std::string_view what) {
  return wrong("stream " + std::to_string(stream) + " " + std::string(what));
}

// It goes to a log.
std::string printable(BytesView text) {
  std::string out(text);
  std::replace_if(out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return out;
}

}  // namespace

Status Session::receive(BytesView bytes, uint64_t now_us) {
  if (failure_) return *failure_;
  now_us_ = now_us;
  if (!bytes.empty()) heard_us_ = now_us;
  Status received = receive_frames(bytes);
  if (!received) return fail(received.error());
  return {};
}

// Whole frames are read where they lie; the begin of the last one is held until its rest comes.
Status Session::receive_frames(BytesView bytes) {
  for (;;) {
    bool is_held = !held_.empty();
    auto fill = [&](size_t size) {  // true: there are so many bytes of the frame
      if (!is_held) return bytes.size() >= size;
      size_t taken = std::min(bytes.size(), size - std::min(size, held_.size()));
      held_ += bytes.substr(0, taken);
      bytes.remove_prefix(taken);
      return held_.size() >= size;
    };
    if (!fill(kFrameHeaderBytes)) break;
    Result<Frame> frame = parse_frame((is_held ? BytesView(held_) : bytes).substr(0, kFrameHeaderBytes));
    if (!frame) return wrong(frame.error().message);
    size_t size = kFrameHeaderBytes + frame->length;
    if (!fill(size)) break;
    TRY(on_frame(*frame, (is_held ? BytesView(held_) : bytes).substr(kFrameHeaderBytes, frame->length)));
    if (failure_) return *failure_;  // what came was answered by go_away()
    if (is_held)
      held_.clear();
    else
      bytes.remove_prefix(size);
    if (out_.size() > limits_.control_max) return wrong("it asks for more than it reads");
  }
  held_ += bytes;
  return {};
}

Status Session::on_frame(const Frame& frame, BytesView payload) {
  if (!is_ready_ && frame.type != FrameType::Hello && frame.type != FrameType::GoAway)
    return wrong("it does not begin with a Hello");
  switch (frame.type) {
    case FrameType::Hello: return on_hello(payload);
    case FrameType::Announce:
    case FrameType::Withdraw: return on_target(frame, payload);
    case FrameType::Open: return on_open(frame.stream, payload);
    case FrameType::Opened:
    case FrameType::Refused: return on_answer(frame, payload);
    case FrameType::Data:
    case FrameType::Window:
    case FrameType::Fin:
    case FrameType::Reset: return on_stream(frame, payload);
    case FrameType::Ping: send(FrameType::Pong, 0, payload); return {};
    case FrameType::Pong: return on_pong(payload);
    case FrameType::GoAway: return on_goaway(payload);
  }
  return wrong("a frame of an unknown type");
}

Status Session::on_hello(BytesView payload) {
  if (is_ready_) return wrong("a second Hello");
  uint32_t version = read_u32_le(payload.substr(0, 4));
  if (version != kTunnelVersion)
    return wrong("version " + std::to_string(version) + " instead of " + std::to_string(kTunnelVersion));
  peer_streams_max_ = read_u32_le(payload.substr(4, 4));
  is_ready_ = true;
  events_.on_ready();
  return {};
}

Status Session::on_target(const Frame& frame, BytesView payload) {
  if (role_ != Role::Gateway) return wrong("targets are announced by nodes");
  if (frame.type == FrameType::Withdraw) {
    if (targets_.erase(frame.stream) == 0) return wrong("a target is withdrawn that was not announced");
    events_.on_withdrawn(frame.stream);
    return {};
  }
  if (frame.stream != last_target_ + 1 || targets_.size() >= limits_.targets_max)
    return wrong("target " + std::to_string(frame.stream) + " is out of turn or too many");
  targets_.insert(++last_target_);
  events_.on_announced(last_target_, payload);
  return {};
}

Status Session::on_open(uint32_t number, BytesView payload) {
  if (role_ != Role::Node || has_got_goaway_) return wrong_stream(number, "is opened by who may not");
  if (last_stream_ == UINT32_MAX || number != last_stream_ + 1) return wrong_stream(number, "is out of turn");
  if (alive_ >= limits_.streams_max) return wrong_stream(number, "is one too many");
  uint32_t target = read_u32_le(payload.substr(0, 4)), window = read_u32_le(payload.substr(4, 4));
  if (target == 0 || target > last_target_ || window == 0 || window > kCreditMax)
    return wrong_stream(number, "is opened to nothing");
  last_stream_ = number;
  ++streams_ever_;
  ++alive_;
  Stream stream;
  stream.credit = window;
  streams_.emplace(number, stream);
  if (has_sent_goaway_)
    refuse(number, Refusal::Draining);
  else if (!targets_.contains(target))
    refuse(number, Refusal::UnknownTarget);
  else if (streams_.size() > limits_.streams_max)
    refuse(number, Refusal::TooMany);
  else
    events_.on_open(number, target);
  return {};
}

Status Session::on_answer(const Frame& frame, BytesView payload) {
  auto at = streams_.find(frame.stream);
  if (role_ != Role::Gateway || at == streams_.end() || at->second.is_open)
    return wrong_stream(frame.stream, "is answered but not asked for");
  bool is_awaited = !at->second.has_sent_reset;
  if (frame.type == FrameType::Refused) {
    forget(at);
    if (is_awaited) events_.on_refused(frame.stream, static_cast<Refusal>(payload[0]));
    return {};
  }
  uint32_t credit = read_u32_le(payload);
  if (credit == 0 || credit > kCreditMax) return wrong_stream(frame.stream, "has no sound window");
  at->second.is_open = true;
  at->second.credit = credit;
  if (!is_awaited) return {};
  queue(frame.stream, at->second);
  events_.on_opened(frame.stream);
  return {};
}

Status Session::on_stream(const Frame& frame, BytesView payload) {
  auto at = streams_.find(frame.stream);
  bool is_over = at == streams_.end() || at->second.has_ended();
  // The peer may have said these before it heard of the end.
  bool may_cross = frame.type == FrameType::Window || frame.type == FrameType::Reset;
  if (is_over && may_cross && frame.stream <= last_stream_) return {};
  if (is_over) return wrong_stream(frame.stream, "is not there");
  if (!at->second.is_open && frame.type != FrameType::Reset) return wrong_stream(frame.stream, "is not open yet");
  switch (frame.type) {
    case FrameType::Data: return on_data(at, payload);
    case FrameType::Fin: return on_fin(at);
    case FrameType::Window: return on_window(at, payload);
    default: on_reset(at); return {};
  }
}

Status Session::on_data(Streams::iterator at, BytesView payload) {
  uint32_t number = at->first;
  Stream& stream = at->second;
  if (stream.has_got_fin) return wrong_stream(number, "goes on behind its end");
  if (payload.size() > stream.allowed && !planted::kNoWindow) return wrong_stream(number, "exceeds its window");
  stream.allowed -= static_cast<uint32_t>(payload.size());
  if (stream.has_sent_reset) return {};
  stream.unread += static_cast<uint32_t>(payload.size());
  unread_ += payload.size();
  events_.on_data(number, payload);
  relieve();
  return {};
}

Status Session::on_fin(Streams::iterator at) {
  uint32_t number = at->first;
  Stream& stream = at->second;
  if (std::exchange(stream.has_got_fin, true)) return wrong_stream(number, "ends twice");
  if (stream.has_ended()) --alive_;
  if (stream.has_sent_reset) {
    // Its side has forgotten the stream when it had our Fin; else it answers our Reset.
    if (stream.has_sent_fin) streams_.erase(at);
    return {};
  }
  forget_if_over(at);
  events_.on_end(number);
  return {};
}

void Session::on_reset(Streams::iterator at) {
  uint32_t number = at->first;
  bool is_answer = at->second.has_sent_reset;
  forget(at);
  if (is_answer) return;
  send(FrameType::Reset, number);
  events_.on_reset(number);
}

Status Session::on_window(Streams::iterator at, BytesView payload) {
  uint32_t more = read_u32_le(payload);
  if (more == 0 || more > kCreditMax - at->second.credit) return wrong_stream(at->first, "has no sound window");
  at->second.credit += more;
  queue(at->first, at->second);
  return {};
}

Status Session::on_pong(BytesView payload) {
  if (pinged_us_ == 0 || read_u64_le(payload) != pinged_us_) return wrong("an answer to no ping");
  rtt_us_ = std::max<uint64_t>(1, now_us_ - std::exchange(pinged_us_, 0));
  rtts_us_[rtt_count_++ % std::size(rtts_us_)] = rtt_us_;
  return {};
}

Status Session::on_goaway(BytesView payload) {
  auto code = static_cast<uint8_t>(payload[0]);
  if (code > kEnds) return wrong("a GoAway of an unknown kind");
  if (code == kEnds) {
    failure_ = make_error(Code::Unavailable, "the peer ended it: " + printable(payload.substr(1)));
    return *failure_;
  }
  if (!is_ready_ || std::exchange(has_got_goaway_, true)) return wrong("a GoAway that is not due");
  drain();
  events_.on_goaway();
  return {};
}

}  // namespace mcloud::gateway
