// Does one job of the reconciler through the ports. Blocks; any thread.
#pragma once

#include "node/agent.h"

namespace mcloud::node {

JobOutcome execute(const AgentPorts& ports, const Job& job);

std::string_view job_name(JobKind kind);  // "prepare image": for logs

}  // namespace mcloud::node
