#include "cli/commands.h"

#include <iterator>

namespace mcloud::cli {

Commands all_commands(const ClusterMaker& maker) {
  Commands all;
  for (Commands some : {cluster_commands(maker), cluster_status_commands(), cluster_fault_commands(), plan_commands(),
                        apply_commands(), decide_commands(), contracts_commands(), logs_commands(), end_commands(),
                        audit_commands(), events_commands(), ledger_file_commands(), nodes_commands(), top_commands(), doctor_commands(), key_commands(), contract_commands(), people_commands(),
                        token_commands(), parameter_commands(), name_commands(), network_commands(), kv_commands(),
                        image_commands(), shell_commands(maker)}) {
    all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return all;
}

}  // namespace mcloud::cli
