// The processes a machine can run, as hidden sub-commands: each composes its parts and runs until a signal.
#pragma once

#include "cli/command.h"

namespace mcloud::apps {

cli::Commands ledger_commands();     // ledger_process.cc: ledger init, ledger serve
cli::Commands publisher_commands();  // publisher.cc: lab publish
cli::Commands sink_commands();       // sink_process.cc: sink serve
cli::Commands node_commands(
    const std::string& program);  // node_process.cc: node init, agent, heartbeat; `program` is this binary

}  // namespace mcloud::apps
