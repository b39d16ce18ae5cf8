#include "kv/replication/sender.h"

#include "kv/meta.h"

namespace mcloud::kv {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr uint64_t kPulseMs = 50;

}  // namespace

Result<Sender> Sender::begin(NamespacePtr space, const StreamRequest& request, uint64_t term, Bytes& out) {
  if (request.promised > term) {
    return make_error(Code::Denied, "term " + std::to_string(term) + " is over: " + std::to_string(request.promised) +
                                        " has been promised");
  }
  Sender sender(std::move(space));
  if (!sender.log().is_complete()) return make_error(Code::Unavailable, std::string(kLoading));
  sender.changes_ = sender.log().changes();
  LogState state = sender.log().log_state();
  HelloFrame hello{.term = term,
                   .log_id = state.id,
                   .first = state.first,
                   .baseline = state.baseline,
                   .complete_at = state.end,
                   .epoch = state.epoch,
                   .lineage = state.lineage,
                   .settings = state.settings};
  bool is_same = request.log_id == state.id;
  if (is_same) hello.common = common_end(state.lineage, state.end, request.lineage, request.end);
  bool goes_on = is_same && hello.common >= state.first;
  sender.cursor_ = goes_on ? hello.common : state.first;
  // A front that was dropped earlier than the follower is there is its own business: nothing older is left here.
  sender.first_ = goes_on ? 0 : state.first;
  sender.front_ = {state.first, state.baseline};
  sender.front_at_ = state.front_at;
  sender.lineage_ = state.lineage;
  sender.settings_ = encode_settings(state.settings);
  sender.epoch_ = state.epoch;
  append_frame(out, hello);
  return sender;
}

// The log first, then what is to be said before it: what stands in the log was written after it had become true.
Status Sender::pump(Bytes& out, size_t bytes_max, const Moment& now) {
  while (out.size() < bytes_max) {
    LogChunk chunk = TRY(log().read_log(cursor_, kChunkBytes));
    if (log().changes() != changes_) tell_changes(out);
    tell_front(out);
    if (chunk.bytes.empty()) break;
    cursor_ = chunk.end();
    append_frame(out, DataFrame{std::move(chunk)});
  }
  tell_front(out);
  if (now.monotonic_ms - pulse_ms_ < kPulseMs && now.is_awaited == was_awaited_) return {};
  LogState state = log().log_state();
  append_frame(out, PulseFrame{state.end, state.durable, now.wall_ms, now.is_awaited});
  pulse_ms_ = now.monotonic_ms;
  was_awaited_ = now.is_awaited;
  return {};
}

void Sender::tell_changes(Bytes& out) {
  changes_ = log().changes();
  LogState state = log().log_state();
  if (state.lineage != lineage_) append_frame(out, LineageFrame{state.lineage});
  lineage_ = std::move(state.lineage);
  Bytes settings = encode_settings(state.settings);
  if (settings != settings_ || state.epoch != epoch_) append_frame(out, SettingsFrame{state.settings, state.epoch});
  settings_ = std::move(settings);
  epoch_ = state.epoch;
  front_ = {state.first, state.baseline};
  front_at_ = state.front_at;
}

// Compaction has moved what it kept to the log's end: the follower must have that before it drops the rest.
void Sender::tell_front(Bytes& out) {
  if (front_.first <= first_ || cursor_ < front_at_) return;
  append_frame(out, front_);
  first_ = front_.first;
}

Result<std::optional<Ack>> Sender::feed(BytesView bytes) {
  acks_.append(bytes);
  std::optional<Ack> ack = TRY(take_acks(acks_));
  if (ack && ack->received > cursor_)
    return make_error(Code::Corrupt, "replication stream: an ack of what was not sent");
  return ack;
}

}  // namespace mcloud::kv
