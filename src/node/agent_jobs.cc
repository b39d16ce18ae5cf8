// How the agent has work done.
#include "node/real_agent.h"

#include <algorithm>

#include "base/log.h"
#include "node/work.h"

namespace mcloud::node {

// Everything that can be done now is begun; called after anything that may have changed something.
void RealAgent::pump() {
  for (const Job& job : reconciler_.take_jobs(now())) begin(job);
  book_.set(reconciler_.reports(), now());
  report();
  rejoin();
  publish_keys();
  // What is under way to the ledger is followed by another pump().
  bool may_report = !is_fenced_ && !is_sending_ && has_read_;
  uint64_t next = std::min(reconciler_.next_ms(now()), may_report ? book_.next_ms() : UINT64_MAX);
  if (next == UINT64_MAX) {
    pump_timer_.cancel();
    return;
  }
  uint64_t at = now();
  pump_timer_ = loop_.after(next > at ? std::min<uint64_t>(next - at, 60'000) : 1, [this] { pump(); });
}

// What is told as a whole is told often, and mostly the same.
static bool is_quiet(JobKind kind) { return is_look(kind) || kind == JobKind::SetNames || kind == JobKind::SetGateways; }

void RealAgent::begin(const Job& job) {
  if (!is_look(job.kind)) {
    log::debug("node", job_name(job.kind), {{"replica", describe(job.replica)}});
  }
  bool is_taken = jobs_.submit([this, job, begun = now()] {
    JobOutcome outcome = execute(ports_, job);
    loop_.post([this, job, begun, outcome = std::move(outcome)] {
      if (outcome.status.has_value() && !is_quiet(job.kind)) {
        log::info("node", std::string(job_name(job.kind)) + " done",
                  {{"replica", describe(job.replica)}, {"ms", std::to_string(now() - begun)}});
      }
      if (job.kind == JobKind::AskMember) note_group(job, outcome);
      on_done(job, outcome);
    });
  });
  // The pool is as large as all limits together.
  if (is_taken) return;
  loop_.post(
      [this, job] { on_done(job, {.status = make_error(Code::Unavailable, "no thread is free"), .networks = {}}); });
}

// Questions are asked all the time; what a member was told is worth a line.
void RealAgent::note_group(const Job& job, const JobOutcome& outcome) {
  if (job.group.verb == GroupVerb::Status) return;
  std::string result = outcome.status.has_value() ? outcome.group.reason : outcome.status.error().message;
  log::info("node", "told a member",
            {{"replica", describe(job.replica)}, {"command", describe(job.group)}, {"result", result}});
}

void RealAgent::on_done(const Job& job, const JobOutcome& outcome) {
  if (!outcome.status.has_value() && job.kind != JobKind::Probe && job.kind != JobKind::AskMember &&
      job.kind != JobKind::LookAtGateway) {
    log::warning("node", std::string(job_name(job.kind)) + " failed",
                 {{"replica", describe(job.replica)}, {"reason", outcome.status.error().message}});
  }
  for (const auto& [contract, status] : outcome.networks) {
    if (!status.has_value()) {
      log::warning("node", "network failed",
                   {{"contract", contract.short_hex()}, {"reason", status.error().message}});
    }
  }
  reconciler_.job_done(job.id, outcome, now());
  if (job.kind == JobKind::PrepareImage && outcome.status.has_value()) house_.image_made();
  pump();
}

}  // namespace mcloud::node
