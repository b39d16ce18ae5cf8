// mcloud cluster kill | cut | restore
#include <algorithm>

#include "cli/cluster_talk.h"
#include "cli/commands.h"

namespace mcloud::cli {
namespace {

struct FaultOptions {
  std::string dir;
  std::vector<std::string> nodes;
};

Status kill_nodes(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  TRY(running(folder, options.nodes));
  for (const std::string& node : options.nodes) TRY(lab::Cluster(folder).kill(node));
  std::string names;
  for (const std::string& node : options.nodes) names += (names.empty() ? "" : ", ") + node;
  done(desk, "killed " + names + "; bring it back: mcloud cluster restore " + options.nodes[0], options.nodes);
  return {};
}

Status cut(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  TRY(running(folder, options.nodes));
  lab::Cluster cluster(folder);
  if (options.nodes.size() > 2)
    return make_error(Code::Invalid, "say one node (its uplink) or two neighbours (their link)");
  bool link = options.nodes.size() == 2;
  if (link)
    TRY(cluster.cut(options.nodes[0], options.nodes[1]));
  else
    TRY(cluster.cut_uplink(options.nodes[0]));
  done(desk,
       link ? "the link " + options.nodes[0] + "-" + options.nodes[1] + " carries nothing now"
            : "the uplink of " + options.nodes[0] + " carries nothing now",
       options.nodes);
  return {};
}

// Whatever is wrong with it: down, uplink cut, link cut.
Status restore(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  lab::ClusterStatus status = TRY(running(folder, options.nodes));
  lab::Cluster cluster(folder);
  if (options.nodes.size() > 2) return make_error(Code::Invalid, "say one node or two neighbours");
  if (options.nodes.size() == 2) {
    TRY(cluster.mend(options.nodes[0], options.nodes[1]));
  } else {
    auto node = std::ranges::find(status.nodes, options.nodes[0], &lab::NodeStatus::name);
    if (node->uplink_state == "cut") TRY(cluster.mend_uplink(node->name));
    if (node->state != "up") TRY(cluster.restore(node->name));
  }
  done(desk,
       options.nodes.size() == 2 ? "the link " + options.nodes[0] + "-" + options.nodes[1] + " works again"
                                 : options.nodes[0] + " is back",
       options.nodes);
  return {};
}

Command fault(const char* path, const char* summary, const char* example, const char* help,
              Status (*run)(Desk&, const FaultOptions&)) {
  auto options = std::make_shared<FaultOptions>();
  Command command(path, summary);
  command.example(example)
      .arguments("NODE", help, options->nodes, true)
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", options->dir)
      .run([options, run](Desk& desk) { return run(desk, *options); });
  return command;
}

}  // namespace

Commands cluster_fault_commands() {
  return {fault("cluster kill", "kill nodes as a power cut would", "mcloud cluster kill n2", "one or more nodes",
                kill_nodes),
          fault("cluster cut", "let a link or an uplink carry nothing", "mcloud cluster cut n1 n2",
                "two neighbours: their link; one node: its uplink", cut),
          fault("cluster restore", "undo kill and cut", "mcloud cluster restore n2", "one node, or two neighbours",
                restore)};
}

}  // namespace mcloud::cli
