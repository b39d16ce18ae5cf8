// mcloud node init | agent | heartbeat | gateway | tunnel
#include "apps/processes.h"
#include "cli/desk.h"
#include "node/agent.h"
#include "node/gateway_processes.h"
#include "node/heartbeat.h"
#include "node/init.h"

namespace mcloud::apps {
namespace {

using cli::Command;
using cli::Desk;

Command node_process(const char* path, const char* summary, std::function<Status(const std::string&)> run) {
  auto config = std::make_shared<std::string>();
  Command command(path, summary);
  command.hidden()
      .example("mcloud " + std::string(path) + " /etc/mcloud/node.json")
      .argument("CONFIG", "the node's configuration file", *config)
      .run([config, run](Desk&) { return run(*config); });
  return command;
}

}  // namespace

cli::Commands node_commands(const std::string& program) {
  auto init = [program](const std::string& path) -> Status {
    node::Config config = TRY(node::read_config(path));
    return node::run_init(config, path, {program, "node"});
  };
  auto agent = [](const std::string& path) -> Status { return node::run_agent(TRY(node::read_config(path))); };
  auto heartbeat = [](const std::string& path) -> Status { return node::run_heartbeat(TRY(node::read_config(path))); };
  auto gateway = [](const std::string& path) -> Status {
    return node::run_gateway_process(TRY(node::read_config(path)));
  };
  auto tunnel = [](const std::string& path) -> Status { return node::run_tunnel_process(TRY(node::read_config(path))); };
  return {node_process("node init", "a node's pid 1: heartbeat, agent, services", init),
          node_process("node agent", "the node's agent: does what the ledger says", agent),
          node_process("node heartbeat", "the node's heartbeat", heartbeat),
          node_process("node gateway", "the node's gateway: strangers in", gateway),
          node_process("node tunnel", "the node's tunnel: to gateways, from inside", tunnel)};
}

}  // namespace mcloud::apps
