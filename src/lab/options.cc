#include "lab/options.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "crypto/hash.h"
#include "lab/layout.h"
#include "wire/json.h"

namespace mcloud::lab {
namespace {

using nlohmann::json;

Status check_name(const std::string& name, const std::string& what) {
  bool good = !name.empty() && name.size() <= 15 && name[0] >= 'a' && name[0] <= 'z' &&
              std::all_of(name.begin(), name.end(),
                          [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (good) return {};
  return make_error(Code::Invalid, what + " \"" + name + "\": a name is a-z, 0-9 and -, begins with a letter and has " +
                                       "at most 15 characters");
}

Status check_object(const std::string& text, const std::string& what) {
  auto value = wire::parse_json(text);
  if (!value.has_value()) return value.error().with_context(what);
  if (!value->is_object()) return make_error(Code::Invalid, what + ": must be a JSON object");
  return {};
}

Result<std::vector<std::string>> strings(const json& object, std::string_view key) {
  std::vector<std::string> out;
  for (const json& item : *TRY(wire::json_array(object, key))) {
    if (!item.is_string()) return make_error(Code::Invalid, std::string(key) + ": must hold strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<uint16_t> port(const json& object, std::string_view key) {
  uint64_t value = TRY(wire::json_u64(object, key));
  if (value > 65535) return make_error(Code::Invalid, std::string(key) + ": a port is at most 65535");
  return static_cast<uint16_t>(value);
}

}  // namespace

Status check(const Options& options) {
  if (!options.folder.starts_with("/")) return make_error(Code::Invalid, "the cluster's folder must be absolute");
  if (options.folder == "/run" || options.folder.starts_with("/run/")) {
    return make_error(Code::Invalid, "the cluster's folder cannot be below /run: nodes have their own /run");
  }
  if (options.self.empty() || options.node_command.empty()) {
    return make_error(Code::Invalid, "the cluster's commands are not given");
  }
  if (options.nodes.empty() || options.nodes.size() > kNodesMax) {
    return make_error(Code::Invalid, "a cluster has 1 to " + std::to_string(kNodesMax) + " nodes, not " +
                                         std::to_string(options.nodes.size()));
  }
  std::set<std::string> names = {"keeper", "root"};
  for (const NodeSpec& node : options.nodes) {
    TRY(check_name(node.name, "node"));
    TRY(check_object(node.config_json, "node " + node.name));
    if (!names.insert(node.name).second) return make_error(Code::Invalid, "the name " + node.name + " is taken");
    if (node.is_hidden && node.is_gateway) {
      return make_error(Code::Invalid, "node " + node.name + ": a hidden node cannot be a gateway");
    }
  }
  for (const ServiceSpec& service : options.services) {
    TRY(check_name(service.name, "service"));
    if (service.command.empty()) return make_error(Code::Invalid, "service " + service.name + ": no command");
    if (!names.insert(service.name).second) return make_error(Code::Invalid, "the name " + service.name + " is taken");
  }
  return check_object(options.context_json, "context");
}

std::string to_json(const Options& options) {
  json out = {{"folder", options.folder},        {"self", options.self},   {"node_command", options.node_command},
              {"context", options.context_json}, {"nodes", json::array()}, {"services", json::array()},
              {"forwards", json::array()}};
  for (const NodeSpec& node : options.nodes) {
    out["nodes"].push_back(
        {{"name", node.name}, {"config", node.config_json}, {"hidden", node.is_hidden}, {"gateway", node.is_gateway}});
  }
  for (const ServiceSpec& service : options.services) {
    out["services"].push_back(
        {{"name", service.name}, {"command", service.command}, {"environment", service.environment}});
  }
  for (const ForwardSpec& forward : options.forwards) {
    out["forwards"].push_back({{"name", forward.name},
                               {"port", forward.port},
                               {"targets", forward.targets},
                               {"node_port", forward.node_port}});
  }
  return wire::json_text(out, 2) + "\n";
}

Result<Options> options_from_json(const std::string& text) {
  json value = TRY(wire::parse_json(text));
  Options out;
  out.folder = TRY(wire::json_string(value, "folder"));
  out.self = TRY(strings(value, "self"));
  out.node_command = TRY(strings(value, "node_command"));
  out.context_json = TRY(wire::json_string(value, "context"));
  for (const json& node : *TRY(wire::json_array(value, "nodes"))) {
    out.nodes.push_back({TRY(wire::json_string(node, "name")), TRY(wire::json_string(node, "config")),
                         node.value("hidden", false), node.value("gateway", false)});
  }
  for (const json& service : *TRY(wire::json_array(value, "services"))) {
    out.services.push_back({TRY(wire::json_string(service, "name")), TRY(strings(service, "command")),
                            TRY(strings(service, "environment"))});
  }
  for (const json& forward : *TRY(wire::json_array(value, "forwards"))) {
    out.forwards.push_back({TRY(wire::json_string(forward, "name")), TRY(port(forward, "port")),
                            TRY(strings(forward, "targets")), TRY(port(forward, "node_port"))});
  }
  TRY(check(out));
  return out;
}

std::string cluster_id(const std::string& folder) { return "mcloud-" + crypto::blake2b(folder).short_hex(); }

}  // namespace mcloud::lab
