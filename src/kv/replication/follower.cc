#include "kv/replication/follower.h"

#include <algorithm>

#include "base/log.h"
#include "kv/log/record.h"
#include "kv/planted.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kAckMs = 50;

Error does_not_fit(std::string_view why) {
  return make_error(Code::Corrupt, "replication stream: " + std::string(why));
}

}  // namespace

StreamRequest Follower::request() {
  StreamRequest request{
      .name = options_.name, .member = options_.member, .promised = store_.replica().promised_term()};
  NamespacePtr space = store_.find(options_.name);
  if (!space || options_.begins_anew) return request;
  LogState state = space->replica().log_state();
  request.log_id = state.id;
  request.end = state.end;
  request.lineage = std::move(state.lineage);
  return request;
}

Status Follower::feed(BytesView bytes) {
  reader_.feed(bytes);
  while (true) {
    std::optional<Frame> frame = TRY(reader_.next());
    if (!frame) return tick();
    TRY(on_frame(*frame));
  }
}

Status Follower::on_frame(Frame& frame) {
  if (!is_greeted() && !std::holds_alternative<HelloFrame>(frame)) return does_not_fit("it does not begin with Hello");
  return std::visit([this](auto& one) { return on(one); }, frame);
}

Status Follower::on(HelloFrame& hello) {
  if (is_greeted()) return does_not_fit("a second Hello");
  // From here on no lower one is obeyed, whatever happens to us.
  TRY(store_.replica().promise(hello.term));
  term_ = hello.term;
  lineage_ = hello.lineage;
  TRY(prepare(hello));
  LogState state = log().log_state();
  bool fits = state.id == hello.log_id && state.end <= hello.complete_at;
  if (!fits) return does_not_fit("our log is not where Hello says");
  TRY(log().take_lineage(lineage_));
  return log().copy_settings(hello.settings, hello.epoch);
}

// Makes what is here a part of what is there.
Status Follower::prepare(const HelloFrame& hello) {
  NamespacePtr space = store_.find(options_.name);
  if (!space) return begin_anew(hello, nullptr);
  LogState ours = space->replica().log_state();
  bool is_same = ours.id == hello.log_id && !options_.begins_anew;
  if (!is_same || hello.common < hello.first) return begin_anew(hello, &ours);
  if (ours.end < hello.common) return does_not_fit("it agrees with more than we have");
  space_ = space;
  // A front that we dropped as a master, and this one did not: what it has of it is missing here.
  if (ours.first > hello.first) {
    should_begin_anew_ = true;
    return make_error(Code::Conflict, "our log begins later than the master's: it is copied anew");
  }
  if (ours.end == hello.common) return log().aim_at(hello.complete_at);
  space_.reset();
  auto cut = store_.replica().cut(options_.name, hello.common);
  options_.on_replaced();
  space_ = TRY(std::move(cut));
  return log().aim_at(hello.complete_at);
}

Status Follower::begin_anew(const HelloFrame& hello, const LogState* ours) {
  std::optional<Position> keep_from;
  if (ours != nullptr) {
    bool is_part = ours->id == hello.log_id && !options_.begins_anew;
    keep_from = is_part ? std::max(hello.common, ours->first) : ours->first;
  }
  log::info("kv", "a namespace is copied from its master",
            {{"namespace", options_.name}, {"from", std::to_string(hello.first)},
             {"to", std::to_string(hello.complete_at)}});
  auto made = store_.replica().make_copy({.name = options_.name,
                                          .id = hello.log_id,
                                          .first = hello.first,
                                          .baseline = hello.baseline,
                                          .lineage = hello.lineage,
                                          .complete_at = hello.complete_at,
                                          .settings = hello.settings,
                                          .epoch = hello.epoch},
                                         keep_from);
  options_.on_replaced();
  space_ = TRY(std::move(made));
  return {};
}

Status Follower::on(DataFrame& data) {
  Status done = log().append_log(data.chunk, lineage_);
  if (done.has_value() || done.error().code != Code::Conflict || store_.replica().leads()) return done;
  // A master that died may have begun a segment that its next life does not know: an empty one goes.
  LogState state = log().log_state();
  space_ = TRY(store_.replica().cut(options_.name, state.end));
  options_.on_replaced();
  done = log().append_log(data.chunk, lineage_);
  should_begin_anew_ = !done.has_value() && done.error().code == Code::Conflict;
  return done;
}

Status Follower::on(FrontFrame& front) { return log().drop_front(front.first, front.baseline); }
Status Follower::on(SettingsFrame& settings) { return log().copy_settings(settings.settings, settings.epoch); }

Status Follower::on(LineageFrame& lineage) {
  LogState ours = log().log_state();
  bool goes_on = ours.end == 0 || ours.lineage.empty() ||
                 common_end(ours.lineage, ours.end, lineage.lineage, kPositionEnd) == ours.end;
  if (!goes_on) return does_not_fit("its lineage is not ours any more");
  lineage_ = std::move(lineage.lineage);
  return log().take_lineage(lineage_);
}

Status Follower::on(PulseFrame& pulse) {
  pulse_ = pulse;
  return {};
}

Status Follower::tick() {
  if (!is_greeted()) return {};
  LogState state = log().log_state();
  uint64_t now = clock_.monotonic_ms();
  bool is_due = now - synced_ms_ >= kAckMs || !has_acked_;
  bool is_behind = acked_.received != state.end || acked_.durable != state.durable;
  if (!is_due && !(pulse_.is_awaited && is_behind)) return {};
  Position durable = planted::kAcksUnsynced ? state.end : TRY(log().make_durable());
  // What is not complete counts for nothing: it could not take the master's place.
  if (!log().is_complete()) durable = 0;
  acked_ = {durable, std::max(durable, state.end)};
  has_acked_ = true;
  synced_ms_ = now;
  append_ack(output_, acked_);
  return {};
}

Follower::Figures Follower::figures() const {
  Figures figures{.master_end = pulse_.written, .term = term_};
  if (!is_greeted()) return figures;
  LogState state = log().log_state();
  figures.is_complete = log().is_complete();
  figures.received = state.end;
  figures.durable = state.durable;
  bool is_behind = state.end < pulse_.written && state.newest_ms > 0;
  if (is_behind) figures.lag_ms = pulse_.time_ms - std::min(pulse_.time_ms, state.newest_ms);
  return figures;
}

}  // namespace mcloud::kv
