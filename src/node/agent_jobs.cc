// How the agent has work done.
#include "node/real_agent.h"

#include <algorithm>

#include "base/log.h"
#include "node/trouble_book.h"
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

static bool is_done(const JobOutcome& outcome) {
  return outcome.status.has_value() && std::all_of(outcome.networks.begin(), outcome.networks.end(),
                                                   [](const auto& one) { return one.second.has_value(); });
}

void RealAgent::begin(const Job& job) {
  if (!is_look(job.kind)) {
    log::debug("node", job_name(job.kind), {{"replica", describe(job.replica)}});
  }
  bool is_taken = jobs_.submit([this, job, begun = now()] {
    JobOutcome outcome = execute(ports_, job);
    loop_.post([this, job, begun, outcome = std::move(outcome)] {
      if (is_done(outcome) && !is_quiet(job.kind)) {
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

// They have no end of tries, those of a replica have.
static bool is_endless(JobKind kind) {
  return kind == JobKind::SetNames || kind == JobKind::SetGateways || kind == JobKind::TendNetworks;
}

void RealAgent::note_trouble(const Job& job, const JobOutcome& outcome) {
  if (job.kind == JobKind::Probe || job.kind == JobKind::AskMember || job.kind == JobKind::LookAtGateway) return;
  if (is_endless(job.kind)) {
    const std::string name(job_name(job.kind));
    const std::string begun = name + " failed", over = name + " is well again";
    return log_trouble(troubles_.note(name, outcome.status), {begun, over}, outcome.status);
  }
  if (!outcome.status.has_value()) {
    log::warning("node", std::string(job_name(job.kind)) + " failed",
                 {{"replica", describe(job.replica)}, {"reason", outcome.status.error().message}});
  }
  for (const auto& [contract, status] : outcome.networks) {
    const bool is_mesh = contract.is_none();
    TroubleWords words{is_mesh ? "mesh failed" : "network failed", is_mesh ? "mesh is well again" : "network is well again"};
    if (job.networks.remove.contains(contract)) words.over = "network is gone at last";
    log_trouble(troubles_.note("network " + contract.hex(), status), words, status, {"contract", contract.short_hex()});
  }
}

void RealAgent::on_done(const Job& job, const JobOutcome& outcome) {
  note_trouble(job, outcome);
  reconciler_.job_done(job.id, outcome, now());
  if (job.kind == JobKind::PrepareImage && outcome.status.has_value()) house_.image_made();
  pump();
}

}  // namespace mcloud::node
