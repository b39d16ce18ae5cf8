// What placement must know of a contract's own replicas: where they stand and what they cannot run on. Kept
// in step while they move, so that placing one costs nothing per replica that stands already.
#pragma once

#include <map>
#include <string>

#include "ledger/state/bundle.h"
#include "ledger/state/placement.h"

namespace mcloud::ledger {

class Surroundings {
 public:
  // `dossier` outlives it.
  Surroundings(const Dossier& dossier, uint64_t time_ms);

  // What the bundle asks for. The bundle itself counts where it stands: leave_out() it meanwhile.
  // The same object for all bundles of a leader; valid until the next call of anything here.
  Ask& ask(const Bundle& bundle);

  void stands(const std::string& workload, const Bytes& node);
  void left(const std::string& workload, const Bytes& node);

  // When the first back-off that was in the way ends; UINT64_MAX: none was.
  uint64_t retry_ms() const { return retry_ms_; }

 private:
  Ask make_ask(const Bundle& bundle);
  void add_exclusions(const std::string& workload, Ask& ask);
  // +1 or -1 wherever it matters to `leader`.
  void count(const pb::Facets& leader, Ask& ask, const std::string& workload, const Bytes& node, int by) const;

  const Dossier& dossier_;
  const uint64_t time_ms_;
  std::set<Bytes, std::less<>> openers_;
  std::map<std::string, Ask> asks_;  // by leader
  uint64_t retry_ms_ = UINT64_MAX;
};

}  // namespace mcloud::ledger
