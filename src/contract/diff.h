// What changes from one version of a contract to the next, for `plan` and for the agent: both ask here
// whether a replica has to be started anew. Pure. Secrets are never shown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcloud/contract.pb.h"

namespace mcloud::contract {

enum class Change { Added, Removed, Changed };

struct FieldChange {
  std::string field;      // "environment.GREETING", "replicas", "image.digest"
  std::string before;     // "" = was not there
  std::string after;      // "" = is gone
  bool restarts = false;  // running replicas are started anew for it
};

struct WorkloadChange {
  std::string name;
  std::string kind;
  Change change = Change::Changed;
  std::string summary;              // "2 replicas of oci:/images/web, 250m cpu, 64MiB memory"
  std::vector<FieldChange> fields;  // Changed only
  bool restarts = false;            // any field restarts
};

struct Diff {
  std::vector<FieldChange> contract;      // name, approvals, networks: what belongs to no single workload
  std::vector<WorkloadChange> workloads;  // sorted by name; unchanged ones are left out
  bool empty() const { return contract.empty() && workloads.empty(); }
};

struct ContractView {
  const pb::ContractHeader& header;  // valid
  const pb::ContractBody& body;      // valid for it
};

// Version, nonce, body hash and expiry are not compared: they differ with every version.
Diff diff(const ContractView& before, const ContractView& after);
// Everything added: the first version.
Diff diff_from_nothing(const ContractView& after);

// One workload. Both sides have the same name.
struct WorkloadView {
  const pb::Facets& facets;
  const pb::WorkloadBody& body;
};
WorkloadChange diff_workload(const WorkloadView& before, const WorkloadView& after);

// Must running replicas of this workload be started anew to become those of `after`? Its own fields and the
// networks it stands in. False when it is not in both.
bool restarts_replicas(const ContractView& before, const ContractView& after, std::string_view workload);

// For people, one change a line: "  ~ web (container): replicas 2 -> 3", "  + cache (volume)".
std::vector<std::string> format_diff(const Diff& diff);

}  // namespace mcloud::contract
