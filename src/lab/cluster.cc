#include "lab/cluster.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "io/clock.h"
#include "lab/cgroups.h"
#include "lab/control.h"
#include "lab/layout.h"
#include "lab/sweep.h"
#include "wire/json.h"

namespace mcloud::lab {
namespace {

using nlohmann::json;

constexpr uint64_t kAskTimeoutMs = 30'000;
constexpr uint64_t kDownTimeoutMs = 20'000;

std::string text_of(const json& object, const char* key) { return object.value(key, std::string()); }

}  // namespace

ClusterStatus status_from_json(const std::string& text) {
  ClusterStatus out;
  auto value = wire::parse_json(text);
  if (!value.has_value() || !value->is_object()) return out;
  out.id = text_of(*value, "id");
  out.folder = text_of(*value, "folder");
  const json none = json::array();
  for (const json& node : value->value("nodes", none)) {
    out.nodes.push_back({text_of(node, "name"), text_of(node, "address"), text_of(node, "uplink"),
                         text_of(node, "state"), text_of(node, "uplink_state"), node.value("hidden", false),
                         node.value("gateway", false), node.value("pid1", 0), node.value("exit", 0)});
  }
  for (const json& link : value->value("links", none)) {
    out.links.push_back({text_of(link, "a"), text_of(link, "b"), text_of(link, "state")});
  }
  for (const json& service : value->value("services", none)) {
    out.services.push_back({text_of(service, "name"), text_of(service, "state"), service.value("pid", 0),
                            service.value("restarts", uint64_t{0})});
  }
  for (const json& forward : value->value("forwards", none)) {
    out.forwards.push_back({text_of(forward, "name"), forward.value("port", uint16_t{0}),
                            forward.value("targets", std::vector<std::string>())});
  }
  return out;
}

// The text of the answer's "result".
Result<std::string> Cluster::ask(const std::string& request) const {
  std::string line = TRY(ask_control(Folders{folder_}.control(), request, kAskTimeoutMs));
  json answer = TRY(wire::parse_json(line));
  if (answer.contains("error")) {
    const json& error = answer["error"];
    return make_error(code_from_name(text_of(error, "code")), text_of(error, "message"));
  }
  return wire::json_text(answer["result"]);
}

Status Cluster::tell(const std::string& request) const {
  TRY(ask(request));
  return {};
}

Result<ClusterStatus> Cluster::status() const { return status_from_json(TRY(ask(R"({"command":"status"})"))); }

Status Cluster::kill(const std::string& node) const {
  return tell(wire::json_text({{"command", "kill"}, {"node", node}}));
}
Status Cluster::restore(const std::string& node) const {
  return tell(wire::json_text({{"command", "restore"}, {"node", node}}));
}
Status Cluster::cut(const std::string& a, const std::string& b) const {
  return tell(wire::json_text({{"command", "cut-link"}, {"a", a}, {"b", b}}));
}
Status Cluster::mend(const std::string& a, const std::string& b) const {
  return tell(wire::json_text({{"command", "mend-link"}, {"a", a}, {"b", b}}));
}
Status Cluster::cut_uplink(const std::string& node) const {
  return tell(wire::json_text({{"command", "cut-uplink"}, {"node", node}}));
}
Status Cluster::mend_uplink(const std::string& node) const {
  return tell(wire::json_text({{"command", "mend-uplink"}, {"node", node}}));
}
Status Cluster::add_node(const NodeSpec& node) const {
  return tell(wire::json_text({{"command", "add-node"},
                               {"name", node.name},
                               {"config", node.config_json},
                               {"hidden", node.is_hidden},
                               {"gateway", node.is_gateway}}));
}
Status Cluster::remove_forward(const std::string& name) const {
  return tell(wire::json_text({{"command", "remove-forward"}, {"name", name}}));
}
Status Cluster::release() const { return tell(R"({"command":"release"})"); }

Result<uint16_t> Cluster::forward(const ForwardSpec& forward) const {
  std::string result = TRY(ask(wire::json_text({{"command", "forward"},
                                                {"name", forward.name},
                                                {"port", forward.port},
                                                {"targets", forward.targets},
                                                {"node_port", forward.node_port}})));
  json value = TRY(wire::parse_json(result));
  uint64_t port = TRY(wire::json_u64(value, "port"));
  return static_cast<uint16_t>(port);
}

Status Cluster::down() const {
  std::string id = cluster_id(folder_);
  Status told = tell(R"({"command":"down"})");
  bool is_ending = told.has_value() || told.error().code == Code::NotFound || told.error().code == Code::Unavailable;
  if (!is_ending) return told;
  uint64_t deadline = io::SystemClock().monotonic_ms() + kDownTimeoutMs;
  while (is_cluster_alive(id)) {
    if (io::SystemClock().monotonic_ms() >= deadline) return make_error(Code::TimedOut, "the cluster does not end");
    ::usleep(10'000);  // nothing tells a stranger of the end of a process that is not its child
  }
  Cgroups cgroups = TRY(Cgroups::find());
  return cgroups.remove(id, 2'000);
}

}  // namespace mcloud::lab
