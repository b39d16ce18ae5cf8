// Every sub-command that people type, by file. The order is the help's.
#pragma once

#include "cli/command.h"

namespace mcloud::cli {

struct ClusterMaker;  // cli/cluster.h

Commands cluster_commands(const ClusterMaker& maker);  // cluster.cc
Commands cluster_status_commands();                    // cluster_status.cc
Commands cluster_fault_commands();                     // cluster_faults.cc
Commands plan_commands();                              // plan.cc
Commands apply_commands();                             // apply.cc
Commands decide_commands();                            // decide.cc
Commands contracts_commands();                         // contracts.cc
Commands logs_commands();                              // logs.cc
Commands end_commands();                               // end.cc
Commands audit_commands();                             // audit.cc
Commands events_commands();                            // events.cc
Commands ledger_file_commands();                       // ledger.cc
Commands nodes_commands();                             // nodes.cc
Commands top_commands();                               // top.cc
Commands doctor_commands();                            // doctor.cc
Commands key_commands();                               // key.cc
Commands contract_commands();                          // contract.cc
Commands people_commands();                            // people.cc
Commands token_commands();                             // tokens.cc
Commands parameter_commands();                         // parameters.cc
Commands name_commands();                              // name.cc
Commands network_commands();                           // network.cc
Commands kv_commands();                                // kv.cc
Commands image_commands();                             // image.cc
Commands shell_commands(const ClusterMaker& maker);    // shell.cc: completion and manual of all the others

// `maker` must outlive them.
Commands all_commands(const ClusterMaker& maker);

}  // namespace mcloud::cli
