#include "kv/replication/group.h"

#include "base/log.h"

namespace mcloud::kv {
namespace {

Error is_over(uint64_t term, uint64_t promised) {
  return make_error(Code::Denied,
                    "term " + std::to_string(term) + " is over: " + std::to_string(promised) + " has been promised");
}

Error no_agent() { return make_error(Code::Conflict, "this server is managed: the node's agent gives its orders"); }

}  // namespace

Status Group::open(bool is_managed) {
  std::lock_guard one(mutex_);
  record_ = TRY(load_role(disk_, folder_));
  is_managed_ = is_managed;
  bool leads = !is_managed && record_.role == Role::Master && !record_.is_managed;
  if (leads) {
    port_.lead(rules_of(record_));
    store_.replica().lead();
    may_write_ = true;
    return {};
  }
  may_write_ = false;
  store_.replica().stop_leading();
  port_.end_waiting(make_error(Code::Conflict, "this server does not lead"));
  if (is_managed) {
    // What was proposed in a term must be remembered as long as the term goes on.
    RoleRecord record = record_;
    record.is_managed = true;
    if (record != record_) TRY(remember(record));
    record_.role = Role::Nobody;
    return {};
  }
  if (record_.role == Role::Follower) {
    refusal_ = make_error(Code::Conflict, record_.upstream.host + ":" + std::to_string(record_.upstream.port));
    port_.follow(&record_.upstream, record_.member);
  }
  return {};
}

Status Group::remember(RoleRecord record) {
  // A managed server is given its secrets at every start, in memory only: they do not lie beside the data.
  RoleRecord kept = record;
  if (kept.is_managed) kept.upstream.password.clear();
  TRY(save_role(disk_, folder_, kept));
  record_ = std::move(record);
  return {};
}

LogState Group::log_state() const {
  NamespacePtr space = store_.find(space_);
  return space ? space->replica().log_state() : LogState();
}

bool Group::is_complete() const {
  NamespacePtr space = store_.find(space_);
  return space && space->replica().is_complete();
}

AckRules Group::rules_of(const RoleRecord& record) const {
  AckRules rules{.copies = record.copies, .is_any = !is_managed_};
  if (!is_managed_) return rules;
  rules.self = record.member;
  rules.revision = record.revision;
  rules.voters = record.voters;
  rules.candidates = candidates_;
  rules.proposals = record.proposals;
  return rules;
}

// --- stepping down

// Nobody writes here and nobody is followed when it returns; what was not acknowledged will not be.
Status Group::step_down(const std::string& reason) {
  may_write_ = false;
  store_.replica().stop_leading();
  port_.end_waiting(reason.empty() ? make_error(Code::Conflict, "this server does not lead any more")
                                   : make_error(Code::Denied, reason));
  port_.end_streams();
  port_.follow(nullptr, "");
  return {};
}

Status Group::promise_locked(uint64_t term) {
  uint64_t promised = store_.replica().promised_term();
  if (term < promised) return is_over(term, promised);
  if (term == promised) return {};
  bool was_master = record_.role == Role::Master;
  uint64_t before = was_master ? promised : 0;
  Error why = is_over(was_master ? before : promised, term);
  TRY(step_down(why.message));
  TRY(store_.replica().promise(term));
  {
    std::lock_guard guard(refusal_mutex_);
    refusal_ = was_master ? why : make_error(Code::Conflict, "");
  }
  if (was_master) deposed_from_ = before;
  RoleRecord record = record_;
  record.role = Role::Nobody;
  record.term = term;
  record.revision = 0;
  record.voters.clear();
  record.proposals.clear();
  TRY(remember(std::move(record)));
  // Everything that is here counts from now on.
  if (NamespacePtr space = store_.find(space_)) TRY(space->replica().make_durable());
  return {};
}

Status Group::promise(uint64_t term) {
  std::lock_guard one(mutex_);
  reason_.clear();
  return promise_locked(term);
}

// --- leading

Status Group::begin_to_lead(RoleRecord record) {
  port_.end_streams();
  port_.follow(nullptr, "");
  if (NamespacePtr space = store_.find(space_)) TRY(space->replica().make_durable());
  TRY(remember(std::move(record)));
  port_.lead(rules_of(record_));
  store_.replica().lead();
  deposed_from_.reset();
  may_write_ = true;
  log::info("kv", "this server leads", {{"term", std::to_string(store_.replica().promised_term())}});
  return {};
}

Status Group::lead(const LeadOrder& order) {
  std::lock_guard one(mutex_);
  reason_.clear();
  TRY(promise_locked(order.term));
  bool leads = may_write_ && record_.role == Role::Master;
  RoleRecord record = record_;
  bool is_same = record.term == order.term && record.revision >= order.revision && !record.voters.empty();
  record.role = Role::Master;
  record.is_managed = true;
  record.copies = order.copies;
  record.member = order.member;
  record.term = order.term;
  if (!is_same) {
    record.revision = order.revision;
    record.voters = order.voters;
    record.proposals.clear();
  }
  if (!leads && record_.role == Role::Follower && record_.term == order.term) {
    reason_ = "it follows another master of this term";
    return {};
  }
  if (!is_complete()) {
    reason_ = "its copy is not complete";
    return {};
  }
  candidates_ = order.candidates;
  if (!leads) return begin_to_lead(std::move(record));
  if (record != record_) TRY(remember(std::move(record)));
  port_.set_rules(rules_of(record_));
  return {};
}

Status Group::promote(std::optional<uint64_t> term) {
  std::lock_guard one(mutex_);
  TRY(check_people());
  uint64_t promised = store_.replica().promised_term();
  uint64_t wanted = term.value_or(std::max(promised, seen_term_.load()) + 1);
  if (wanted <= promised) return is_over(wanted, promised);
  if (!is_complete()) return make_error(Code::Unavailable, "LOADING the copy is not complete, so it cannot lead");
  TRY(promise_locked(wanted));
  RoleRecord record = record_;
  record.role = Role::Master;
  record.is_managed = false;
  record.upstream = {};
  return begin_to_lead(std::move(record));
}

Status Group::set_copies(uint64_t copies) {
  std::lock_guard one(mutex_);
  TRY(check_people());
  RoleRecord record = record_;
  record.copies = copies;
  TRY(remember(std::move(record)));
  port_.set_rules(rules_of(record_));
  return {};
}

// --- following

Status Group::follow(uint64_t term, const std::string& member, const Upstream& upstream) {
  std::lock_guard one(mutex_);
  reason_.clear();
  TRY(promise_locked(term));
  if (record_.role == Role::Master && may_write_) {
    reason_ = "it leads this term itself";
    return {};
  }
  if (record_.role == Role::Follower && record_.upstream == upstream && record_.member == member) return {};
  RoleRecord record = record_;
  record.role = Role::Follower;
  record.is_managed = true;
  record.member = member;
  record.term = term;
  record.upstream = upstream;
  TRY(remember(std::move(record)));
  deposed_from_.reset();
  {
    std::lock_guard guard(refusal_mutex_);
    refusal_ = make_error(Code::Conflict, upstream.host + ":" + std::to_string(upstream.port));
  }
  port_.end_streams();
  port_.follow(&record_.upstream, record_.member);
  return {};
}

Status Group::check_people() const {
  if (is_managed_) return no_agent();
  return {};
}

Status Group::follow(const Upstream& upstream) {
  std::lock_guard one(mutex_);
  TRY(check_people());
  TRY(step_down(""));
  RoleRecord record = record_;
  record.role = Role::Follower;
  record.upstream = upstream;
  {
    std::lock_guard guard(refusal_mutex_);
    refusal_ = make_error(Code::Conflict, upstream.host + ":" + std::to_string(upstream.port));
  }
  deposed_from_.reset();
  TRY(remember(std::move(record)));
  port_.follow(&record_.upstream, record_.member);
  return {};
}

Status Group::follow_nobody() {
  std::lock_guard one(mutex_);
  TRY(check_people());
  TRY(step_down(""));
  RoleRecord record = record_;
  record.role = Role::Nobody;
  record.upstream = {};
  {
    std::lock_guard guard(refusal_mutex_);
    refusal_ = make_error(Code::Conflict, "");
  }
  return remember(std::move(record));
}

// --- what it is

Error Group::refusal() const {
  std::lock_guard guard(refusal_mutex_);
  return refusal_;
}

void Group::seen_term(uint64_t term) {
  uint64_t seen = seen_term_;
  while (seen < term && !seen_term_.compare_exchange_weak(seen, term)) continue;
}

Group::State Group::status() {
  std::lock_guard one(mutex_);
  State state{.role = record_.role, .is_managed = is_managed_, .copies = record_.copies};
  state.is_deposed = deposed_from_.has_value();
  state.term = store_.replica().promised_term();
  state.rank = log_state().rank();
  state.is_complete = is_complete();
  state.revision = record_.revision;
  if (record_.role == Role::Follower) state.upstream = record_.upstream;
  state.reason = reason_;
  if (record_.role != Role::Master || !is_managed_) return state;
  if (auto proposal = port_.propose()) {
    RoleRecord record = record_;
    record.proposals.push_back(*proposal);
    // It counts already; it is told to nobody before it would be remembered after a crash.
    if (Status saved = remember(std::move(record)); !saved.has_value()) {
      state.reason = saved.error().message;
      return state;
    }
  }
  bool is_wanted =
      !record_.proposals.empty() && record_.proposals.back() == candidates_ && candidates_ != record_.voters;
  if (is_wanted) state.proposal = record_.proposals.back();
  return state;
}

}  // namespace mcloud::kv
