// mcloud cluster kill | cut | mend | restore
#include <algorithm>

#include "cli/cluster_talk.h"
#include "cli/commands.h"

namespace mcloud::cli {
namespace {

struct FaultOptions {
  std::string dir;
  std::vector<std::string> nodes;
};

std::string joined(const std::vector<std::string>& names, const char* between) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : between) + name;
  return text;
}

Status kill_nodes(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  lab::ClusterStatus status = TRY(running(folder, options.nodes));
  std::vector<std::string> names = options.nodes;
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    auto node = std::ranges::find(status.nodes, name, &lab::NodeStatus::name);
    if (node->state == "up") continue;
    return make_error(
        Code::Conflict,
        "node " + name + " is down already; nothing was killed. Bring it back: mcloud cluster restore " + name);
  }
  for (const std::string& node : names) TRY(lab::Cluster(folder).kill(node));
  done(desk, "killed " + joined(names, ", ") + "; bring back: mcloud cluster restore " + joined(names, " "), names);
  return {};
}

Status cut(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  TRY(running(folder, options.nodes));
  lab::Cluster cluster(folder);
  if (options.nodes.size() > 2 || (options.nodes.size() == 2 && options.nodes[0] == options.nodes[1]))
    return make_error(Code::Invalid, "say one node (its uplink) or two neighbours on the ring (their link)");
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

enum class Undo { Cuts, All };

// Whatever is wrong with these nodes: uplink cut, a link between two of them cut; with All also down.
Status undo(Desk& desk, const FaultOptions& options, Undo extent) {
  std::string folder = folder_of(desk, options.dir);
  lab::ClusterStatus status = TRY(running(folder, options.nodes));
  lab::Cluster cluster(folder);
  auto is_named = [&](const std::string& node) {
    return std::ranges::find(options.nodes, node) != options.nodes.end();
  };
  std::vector<std::string> mended;
  for (const lab::LinkStatus& link : status.links) {
    if (link.state != "cut" || !is_named(link.a) || !is_named(link.b)) continue;
    TRY(cluster.mend(link.a, link.b));
    mended.push_back("the link " + link.a + "-" + link.b + " works again");
  }
  for (const lab::NodeStatus& node : status.nodes) {
    if (!is_named(node.name)) continue;
    if (node.uplink_state == "cut") {
      TRY(cluster.mend_uplink(node.name));
      mended.push_back("the uplink of " + node.name + " works again");
    }
    if (node.state == "up" || extent == Undo::Cuts) continue;
    TRY(cluster.restore(node.name));
    mended.push_back(node.name + " is back");
  }
  std::string nothing = "nothing is wrong with " + joined(options.nodes, ", ");
  done(desk, mended.empty() ? nothing : joined(mended, "; "), options.nodes);
  return {};
}

Status mend(Desk& desk, const FaultOptions& options) { return undo(desk, options, Undo::Cuts); }
Status restore(Desk& desk, const FaultOptions& options) { return undo(desk, options, Undo::All); }

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
          fault("cluster mend", "undo cut", "mcloud cluster mend n1 n2",
                "nodes whose uplink is cut; two neighbours: also the link between them", mend),
          fault("cluster restore", "undo kill and cut", "mcloud cluster restore n2",
                "nodes that are down or cut off; two neighbours: also the link between them", restore)};
}

}  // namespace mcloud::cli
