// A whole cluster on this machine, composed: keys, ledger, farms, the services in its root, nodes with their tokens.
#pragma once

#include "cli/cluster.h"

namespace mcloud::apps {

// `program`: this binary's path, by which the cluster's processes are started.
cli::ClusterMaker local_cluster_maker(std::string program);

}  // namespace mcloud::apps
