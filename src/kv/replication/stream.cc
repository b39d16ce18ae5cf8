#include "kv/replication/stream.h"

#include "base/log.h"
#include "kv/commands.h"
#include "kv/session_tickets.h"
#include "wire/resp.h"

namespace mcloud::kv {
namespace {

constexpr size_t kUnsentBytes = 512 << 10;
constexpr size_t kTurnBytes = 2 << 20;

}  // namespace

Stream::Stream(ServerState& state, SpacePtr space, Sender sender)
    : state_(state),
      space_(std::move(space)),
      sender_(std::move(sender)),
      number_(state.replication().stream_number()) {}

std::unique_ptr<Stream> Stream::begin(ServerState& state, const SpacePtr& space, const StreamRequest& request,
                                      Mailbox& mailbox, uint64_t session, const std::string& address, Bytes& out) {
  Group& group = state.replication().group();
  group.seen_term(request.promised);
  Bytes hello;
  auto sender = Sender::begin(space->store, request, state.replication().store().replica().promised_term(), hello);
  if (!sender.has_value()) {
    wire::RespWriter(out, wire::RespVersion::Two).error(error_text(Dialect::Redis, sender.error()));
    return nullptr;
  }
  out += "+OK\r\n" + hello;
  std::unique_ptr<Stream> stream(new Stream(state, space, std::move(*sender)));
  stream->stream_ = space->feed->add(&mailbox, session, {.member = request.member, .address = address});
  stream->address_ = address;
  state.replication().stream_began();
  log::info("kv", "is followed",
            {{"namespace", space->store->name()}, {"by", address}, {"from", std::to_string(stream->sender_.cursor())}});
  return stream;
}

Stream::~Stream() { space_->feed->remove(stream_); }

bool Stream::fail(const Error& error) {
  log::warning("kv", "a replication stream ends",
               {{"namespace", space_->store->name()}, {"follower", address_}, {"reason", error.message}});
  return false;
}

bool Stream::feed(BytesView bytes) {
  auto ack = sender_.feed(bytes);
  if (!ack.has_value()) return fail(ack.error());
  if (*ack) space_->feed->set_ack(stream_, **ack, state_.clock().monotonic_ms());
  return true;
}

bool Stream::on_ring(Bytes& out, size_t unsent) {
  space_->feed->answered(stream_);
  turn_bytes_ = 0;
  return fill(out, unsent);
}

bool Stream::fill(Bytes& out, size_t unsent) {
  if (number_ != state_.replication().stream_number())
    return fail(make_error(Code::Cancelled, "this server's role has changed"));
  if (space_->is_replaced || space_->is_gone)
    return fail(make_error(Code::Cancelled, "another copy is here now, or none"));
  if (unsent >= kUnsentBytes) return true;
  if (turn_bytes_ >= kTurnBytes) {
    space_->feed->ring();
    return true;
  }
  Bytes frames;
  Sender::Moment now{state_.clock().monotonic_ms(), state_.clock().wall_ms(), space_->feed->is_awaited()};
  if (Status done = sender_.pump(frames, kUnsentBytes - unsent, now); !done.has_value()) return fail(done.error());
  turn_bytes_ += frames.size();
  out += frames;
  return true;
}

}  // namespace mcloud::kv
