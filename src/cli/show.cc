#include "cli/show.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const bot::ReplicaStatus& replica) {
  Json json;
  json["name"] = replica.name();
  json["workload"] = replica.workload;
  json["kind"] = replica.kind;
  json["index"] = replica.index;
  json["state"] = std::string(bot::replica_state_name(replica.state));
  json["ready"] = replica.ready;
  json["node"] = replica.node_name;
  json["node_id"] = to_hex(replica.node);
  json["epoch"] = replica.epoch;
  json["version"] = replica.version;
  json["restarts"] = replica.restarts;
  json["since_ms"] = replica.since_ms;
  json["message"] = replica.message;
  if (!replica.role.empty()) json["role"] = replica.role;
  json["addresses"] = Json::array();
  for (const pb::LeasedAddress& address : replica.addresses) {
    json["addresses"].push_back({{"network", address.space()}, {"address", address.address()}});
  }
  return json;
}

Json json_of(const bot::SetStatus& set) {
  return {{"workload", set.workload}, {"term", set.term},
          {"primary", set.primary.empty() ? Json(nullptr) : Json(set.primary)},
          {"voters", set.voters},     {"partial", set.partial},
          {"copies", set.copies},     {"since_ms", set.since_ms},
          {"message", set.message}};
}

Json json_of(const contract::ApprovalTally& tally, bot::LedgerView& view) {
  auto names = [&](const std::vector<PublicKey>& keys) {
    Json list = Json::array();
    for (const PublicKey& key : keys) list.push_back(view.name_of(key));
    return list;
  };
  return {{"threshold", tally.threshold},
          {"weight", tally.weight},
          {"reached", tally.reached},
          {"approved_by", names(tally.approved_by)},
          {"rejected_by", names(tally.rejected_by)},
          {"missing", names(tally.missing)},
          {"missing_required", names(tally.missing_required)}};
}

Json json_of(const ContractId& contract, const bot::PublishedPort& port, const Context& context) {
  Json where = Json::array();
  for (const auto& place : port.where) {
    where.push_back({{"node", place.node_name},
                     {"address", place.address + ":" + std::to_string(port.port)},
                     {"ready", place.ready}});
  }
  return {{"protocol", port.protocol},
          {"port", port.port},
          {"workload", port.workload},
          {"urls", urls_of(contract, port, context)},
          {"where", where}};
}

Json json_of(const bot::PublicName& name, const Context& context) {
  Json hosts = Json::array();
  for (const auto& place : name.hosts) {
    hosts.push_back({{"host", place.host}, {"node", place.node_name}, {"ready", place.ready}});
  }
  return {{"name", name.name}, {"workload", name.workload}, {"urls", urls_of(name, context)}, {"hosts", hosts}};
}

std::string address_text(const bot::ReplicaStatus& replica) {
  std::string text;
  for (const pb::LeasedAddress& address : replica.addresses) text += (text.empty() ? "" : " ") + address.address();
  return text;
}

Table replica_table(const bot::ContractStatus& status, uint64_t now_ms) {
  Table table{{"REPLICA", "KIND", "STATE", "NODE", "ADDRESS", "FOR", "RESTARTS", ""}, {}};
  for (const bot::ReplicaStatus& replica : status.replicas) {
    std::string age = now_ms > replica.since_ms ? format_age(now_ms - replica.since_ms) : format_age(0);
    table.rows.push_back({{replica.name(), Tone::Strong},
                          replica.role.empty() ? replica.kind : replica.kind + " " + replica.role,
                          {std::string(bot::replica_state_name(replica.state)), tone_of(replica.state)},
                          replica.node_name.empty() ? "-" : replica.node_name,
                          address_text(replica),
                          age,
                          std::to_string(replica.restarts),
                          {replica.message, Tone::Warning}});
  }
  return table;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// "db: primary db-0 since 5m, term 3; voters db-0, db-1, db-2, of whom 2 have what is acknowledged"
std::string set_text(const bot::SetStatus& set, uint64_t now_ms) {
  std::string age = format_age(now_ms > set.since_ms ? now_ms - set.since_ms : 0);
  std::string text = set.workload + ": " + (set.primary.empty() ? "elects a primary" : "primary " + set.primary);
  text += " since " + age + ", term " + std::to_string(set.term) + "; voters " + joined(set.voters) + ", of whom " +
          std::to_string(set.copies) + " have what is acknowledged";
  if (!set.partial.empty()) text += "; copies in the making: " + joined(set.partial);
  return set.message.empty() ? text : text + "; " + set.message;
}

// Whose signatures there are, and how to give those that are missing.
void print_signatures(Output& out, bot::LedgerView& view, const bot::ContractStatus& status) {
  const std::string& name = status.record.name();
  auto next = [&](const std::vector<PublicKey>& required, const std::vector<PublicKey>& others) {
    const std::vector<PublicKey>& keys = required.empty() ? others : required;
    return keys.empty() ? std::string("NAME") : view.name_of(keys[0]);
  };
  if (status.has_proposal) {
    out.line("\nversion " + std::to_string(status.record.proposed().version()) +
             " waits for approvals: " + approvals_text(status.approvals, view));
    out.line("approve it: mcloud approve " + name + " --as " +
             next(status.approvals.missing_required, status.approvals.missing));
    return;
  }
  bool accepts = status.state == pb::CONTRACT_ACTIVE && status.acceptance.threshold > 0;
  if (!accepts) return;
  out.line("\nsign-off: " + approvals_text(status.acceptance, view));
  if (!status.acceptance.reached && status.condition == bot::Condition::Ready)
    out.line("sign it off: mcloud accept " + name + " --as " +
             next(status.acceptance.missing_required, status.acceptance.missing));
}

}  // namespace

std::vector<std::string> urls_of(const ContractId& contract, const bot::PublishedPort& port, const Context& context) {
  std::string scheme = port.protocol;
  if (scheme == "tcp" && port.kind != "publish") scheme = port.kind == "kv" ? "redis" : "http";
  if (context.is_local) {
    auto found = context.ports.find(forward_name(port.protocol, port.port, contract));
    if (found == context.ports.end()) return {};
    return {scheme + "://127.0.0.1:" + std::to_string(found->second)};
  }
  std::vector<std::string> urls;
  for (const auto& place : port.where) {
    if (!place.address.empty()) urls.push_back(scheme + "://" + place.address + ":" + std::to_string(port.port));
  }
  std::ranges::sort(urls);
  urls.erase(std::unique(urls.begin(), urls.end()), urls.end());
  return urls;
}

std::vector<std::string> urls_of(const bot::PublicName& name, const Context& context) {
  std::vector<std::string> urls;
  for (const auto& place : name.hosts) {
    uint32_t port = place.http_port;
    if (context.is_local) {
      auto found = context.ports.find("gateway-http");
      if (found == context.ports.end()) continue;
      port = found->second;
    }
    urls.push_back("http://" + place.host + (port == 80 ? "" : ":" + std::to_string(port)));
  }
  std::ranges::sort(urls);
  urls.erase(std::unique(urls.begin(), urls.end()), urls.end());
  return urls;
}

Json json_of(const bot::ContractStatus& status, bot::LedgerView& view, const Context& context) {
  Json json;
  json["id"] = status.id.hex();
  json["name"] = status.record.name();
  json["owner"] = to_hex(status.record.owner());
  json["owner_name"] = view.name_of(PublicKey::from_bytes(status.record.owner()).value_or(PublicKey()));
  json["version"] = status.version;
  json["state"] = std::string(bot::contract_state_name(status.state));
  json["condition"] = std::string(bot::condition_name(status.condition));
  json["why"] = status.why;
  json["ready"] = status.ready;
  json["wanted"] = status.wanted;
  json["proposed_version"] = status.has_proposal ? Json(status.record.proposed().version()) : Json(nullptr);
  json["approvals"] = json_of(status.approvals, view);
  json["acceptance"] = json_of(status.acceptance, view);
  json["replicas"] = Json::array();
  for (const bot::ReplicaStatus& replica : status.replicas) json["replicas"].push_back(json_of(replica));
  json["sets"] = Json::array();
  for (const bot::SetStatus& set : status.sets) json["sets"].push_back(json_of(set));
  json["published"] = Json::array();
  for (const bot::PublishedPort& port : status.published) json["published"].push_back(json_of(status.id, port, context));
  json["names"] = Json::array();
  for (const bot::PublicName& name : status.names) json["names"].push_back(json_of(name, context));
  return json;
}

Json json_of(const pb::Node& node) {
  auto demand = [](const pb::Demand& amount) {
    return Json{{"cpu_milli", amount.cpu_milli()},
                {"memory_bytes", amount.memory_bytes()},
                {"disk_bytes", amount.disk_bytes()},
                {"pids", amount.pids()}};
  };
  Json labels = Json::object();
  for (const pb::Label& label : node.labels()) labels[label.key()] = label.value();
  Json json;
  json["id"] = to_hex(node.key());
  json["name"] = node.name();
  json["farm"] = node.farm();
  json["country"] = node.country();
  json["state"] = std::string(bot::node_state_name(node));
  json["draining"] = node.draining();
  json["held"] = node.held();
  json["epoch"] = node.epoch();
  json["capacity"] = demand(node.capacity());
  json["used"] = demand(node.used());
  json["labels"] = labels;
  json["backplane"] = node.addresses().backplane();
  json["uplink"] = node.addresses().uplink();
  json["endpoints"] = Json(std::vector<std::string>(node.addresses().endpoints().begin(), node.addresses().endpoints().end()));
  json["hidden"] = node.addresses().hidden();
  json["relay"] = node.addresses().relay();
  json["gateway"] = node.addresses().gateway().domain();
  json["number"] = node.number();
  return json;
}

Tone tone_of(bot::Condition condition) {
  switch (condition) {
    case bot::Condition::Ready: return Tone::Good;
    case bot::Condition::Waiting:
    case bot::Condition::Starting: return Tone::Warning;
    case bot::Condition::Degraded:
    case bot::Condition::Stuck: return Tone::Bad;
    case bot::Condition::Ended: return Tone::Faint;
  }
  return Tone::Plain;
}

Tone tone_of(pb::ReplicaState state) {
  switch (state) {
    case pb::REPLICA_HEALTHY:
    case pb::REPLICA_RUNNING:
    case pb::REPLICA_COMPLETED: return Tone::Good;
    case pb::REPLICA_UNHEALTHY:
    case pb::REPLICA_CANNOT_RUN:
    case pb::REPLICA_STUCK: return Tone::Bad;
    default: return Tone::Warning;
  }
}

std::string names_text(const std::vector<PublicKey>& keys, bot::LedgerView& view) {
  std::string text;
  for (const PublicKey& key : keys) text += (text.empty() ? "" : ", ") + view.name_of(key);
  return text;
}

std::string approvals_text(const contract::ApprovalTally& tally, bot::LedgerView& view) {
  std::string text = std::to_string(tally.weight) + " of " + std::to_string(tally.threshold);
  if (!tally.approved_by.empty()) text += " (" + names_text(tally.approved_by, view) + ")";
  if (!tally.rejected_by.empty()) text += "; rejected by " + names_text(tally.rejected_by, view);
  if (!tally.missing_required.empty())
    text += "; must sign: " + names_text(tally.missing_required, view);
  else if (!tally.reached && !tally.missing.empty())
    text += "; can sign: " + names_text(tally.missing, view);
  return text;
}

void print_contract(Desk& desk, bot::LedgerView& view, const bot::ContractStatus& status, const Context& context) {
  Output& out = desk.out();
  std::string condition = paint(bot::condition_name(status.condition), tone_of(status.condition), out.colour());
  out.line(paint(status.record.name(), Tone::Strong, out.colour()) + "  " + condition + "  " +
           std::to_string(status.ready) + "/" + std::to_string(status.wanted) + " ready  version " +
           std::to_string(status.version) + "  " + status.id.short_hex());
  if (!status.why.empty()) out.line("  " + printable(status.why));
  if (!status.replicas.empty()) {
    out.line("");
    out.table(replica_table(status, desk.clock().wall_ms()));
  }
  for (const bot::SetStatus& set : status.sets) {
    std::string text = printable(set_text(set, desk.clock().wall_ms()));
    if (set.primary.empty()) text = paint(text, Tone::Warning, out.colour());
    out.line((&set == &status.sets.front() ? "\n" : "") + text);
  }
  const char* gap = "\n";
  for (const bot::PublishedPort& port : status.published) {
    for (const std::string& url : urls_of(status.id, port, context)) {
      out.line(gap + port.workload + " is at " + paint(url, Tone::Strong, out.colour()));
      gap = "";
    }
  }
  for (const bot::PublicName& name : status.names) {
    for (const std::string& url : urls_of(name, context)) {
      out.line(gap + name.workload + " is at " + paint(url, Tone::Strong, out.colour()));
      gap = "";
    }
  }
  print_signatures(out, view, status);
}

Error report(Desk& desk, const std::string& path, const std::vector<contract::Diagnostic>& diagnostics) {
  Error error = make_error(Code::Invalid, path + " has " + std::to_string(diagnostics.size()) +
                                              (diagnostics.size() == 1 ? " error" : " errors"));
  Json list = Json::array();
  for (const contract::Diagnostic& one : diagnostics) {
    desk.out().note(contract::format_diagnostic(one));
    list.push_back({{"file", one.file},
                    {"line", one.place.line},
                    {"column", one.place.column},
                    {"field", one.field},
                    {"message", one.message},
                    {"allowed", one.allowed},
                    {"suggestion", one.suggestion}});
  }
  Json json;
  json["error"] = {{"code", "invalid"}, {"message", error.message}};
  json["diagnostics"] = list;
  desk.out().document(json);
  return error;
}

Result<uint64_t> parse_time(std::string_view option, std::string_view text) {
  Result<uint64_t> time = parse_duration_ms(text);
  if (time) return time;
  return make_error(Code::Invalid, std::string(option) + " \"" + std::string(text.substr(0, 40)) +
                                       "\": " + time.error().message + "; write a time like 500ms, 90s, 5m, 24h or 7d");
}

std::string format_time(uint64_t ms_since_1970) {
  time_t seconds = static_cast<time_t>(ms_since_1970 / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

}  // namespace mcloud::cli
