#include "cli/progress.h"

#include <fmt/core.h>

#include "cli/show.h"

namespace mcloud::cli {

std::string format_seconds(uint64_t ms) { return fmt::format("{:>6}.{:02} s", ms / 1000, ms % 1000 / 10); }

LiveProgress::LiveProgress(Output& out, const Clock& clock)
    : out_(out), clock_(clock), start_ms_(clock.monotonic_ms()) {}

LiveProgress::~LiveProgress() { out_.live(""); }

std::string LiveProgress::since() const { return format_seconds(clock_.monotonic_ms() - start_ms_) + "  "; }

void LiveProgress::step(const std::string& text) { out_.note(since() + printable(text)); }

void LiveProgress::replica(const bot::ReplicaStatus& replica) {
  std::string where = replica.node_name.empty() ? "" : " on " + replica.node_name;
  std::string state =
      paint(bot::replica_state_name(replica.state), tone_of(replica.state), out_.is_terminal() && out_.colour());
  std::string message = replica.message.empty() ? "" : ": " + printable(replica.message);
  out_.note(since() + replica.name() + " " + state + where + message);
}

void LiveProgress::standing(const bot::ContractStatus& status) {
  if (status.condition == bot::Condition::Ready)
    out_.live("");
  else
    out_.live(since() + std::to_string(status.ready) + "/" + std::to_string(status.wanted) + " ready; " + status.why);
}

}  // namespace mcloud::cli
