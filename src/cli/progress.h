// What apply is doing, as lines on standard error with the seconds since the start; on a terminal also one line that
// says what is waited for now.
#pragma once

#include "bot/follow.h"
#include "cli/output.h"

namespace mcloud::cli {

class LiveProgress final : public bot::Progress {
 public:
  LiveProgress(Output& out, const Clock& clock);
  ~LiveProgress() override;
  void step(const std::string& text) override;
  void replica(const bot::ReplicaStatus& replica) override;
  void standing(const bot::ContractStatus& status) override;

 private:
  std::string since() const;

  Output& out_;
  const Clock& clock_;
  uint64_t start_ms_;
};

// "  0.42 s".
std::string format_seconds(uint64_t ms);

}  // namespace mcloud::cli
