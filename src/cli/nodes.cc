// mcloud nodes | drain | resume
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "bot/send.h"
#include "cli/commands.h"
#include "cli/farm_key.h"
#include "cli/show.h"
#include "wallet/transactions.h"

namespace mcloud::cli {
namespace {

std::string used_of(uint64_t used, uint64_t capacity, std::string (*format)(uint64_t)) {
  return format(used) + " / " + format(capacity);
}

Tone tone_of(const pb::Node& node) {
  if (node.state() != pb::NODE_ONLINE) return Tone::Bad;
  return node.draining() ? Tone::Warning : Tone::Good;
}

std::string labels_of(const pb::Node& node) {
  std::string text;
  for (const pb::Label& label : node.labels()) text += (text.empty() ? "" : " ") + label.key() + "=" + label.value();
  return text;
}

Command nodes_command() {
  Command command("nodes", "the nodes: state, capacity and use");
  command.example("mcloud nodes").run([](Desk& desk) -> Status {
    bot::LedgerView* view = TRY(desk.ledger());
    std::vector<pb::Node> nodes = TRY(view->nodes());
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    Table table{{"NODE", "FARM", "COUNTRY", "STATE", "CPU", "MEMORY", "DISK", "UPLINK", "ID", "LABELS"}, {}};
    for (const pb::Node& node : nodes) {
      list.push_back(json_of(node));
      table.rows.push_back({{node.name(), Tone::Strong},
                            node.farm(),
                            node.country(),
                            {std::string(bot::node_state_name(node)), tone_of(node)},
                            used_of(node.used().cpu_milli(), node.capacity().cpu_milli(), format_cpu_milli),
                            used_of(node.used().memory_bytes(), node.capacity().memory_bytes(), format_size),
                            used_of(node.used().disk_bytes(), node.capacity().disk_bytes(), format_size),
                            node.addresses().uplink(),
                            to_hex(node.key()).substr(0, 8),
                            labels_of(node)});
    }
    desk.out().document({{"nodes", list}});
    if (nodes.empty())
      desk.out().line("no node has joined; a farm's owner makes a token for one: mcloud token new FARM");
    else
      desk.out().table(table);
    return {};
  });
  return command;
}

Command node_action(const char* path, const char* summary, const char* done, pb::Transaction (*build)(const NodeId&)) {
  auto reference = std::make_shared<std::string>();
  Command command(path, summary);
  command.example("mcloud " + std::string(path) + " n2")
      .argument("NODE", "its name, FARM/NAME or the beginning of its id", *reference)
      .run([reference, done, build](Desk& desk) -> Status {
        bot::LedgerView* view = TRY(desk.ledger());
        pb::Node node = TRY(view->get_node(*reference));
        NodeId id = TRY(NodeId::from_bytes(node.key()));
        crypto::SigningKey key = TRY(farm_key(desk, *view, node.farm()));
        uint64_t height = TRY(bot::send(view->client(), key, build(id)));
        desk.out().document({{"node", node.name()}, {"id", id.hex()}, {"height", height}});
        desk.out().line(node.name() + " " + done + ", block " + std::to_string(height));
        return {};
      });
  return command;
}

}  // namespace

Commands nodes_commands() {
  Command drain = node_action("drain", "move what a node runs elsewhere and give it nothing new", "is draining",
                              wallet::drain_node);
  drain.describe(
      "What is bound to the node by a local volume stays there. After a mass loss, draining a lost node says that it\n"
      "will not come back: what it ran moves.");
  return {nodes_command(), drain,
          node_action("resume", "let a drained node take work again", "takes work again", wallet::resume_node)};
}

}  // namespace mcloud::cli
