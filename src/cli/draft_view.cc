#include "cli/draft_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/show.h"
#include "contract/disclosure.h"
#include "contract/syntax.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

const char* change_name(bot::Draft::Change change) {
  switch (change) {
    case bot::Draft::Change::Create: return "create";
    case bot::Draft::Change::Update: return "update";
    case bot::Draft::Change::None: return "none";
  }
  return "none";
}

Json json_of(const contract::FieldChange& field) {
  return {{"field", field.field}, {"before", field.before}, {"after", field.after}, {"restarts", field.restarts}};
}

const char* change_name(contract::Change change) {
  switch (change) {
    case contract::Change::Added: return "added";
    case contract::Change::Removed: return "removed";
    case contract::Change::Changed: return "changed";
  }
  return "changed";
}

std::string key_name(BytesView key, bot::LedgerView& view) {
  Result<PublicKey> parsed = PublicKey::from_bytes(key);
  return parsed ? view.name_of(*parsed) : to_hex(key);
}

std::string signers_text(const pb::Approvals& approvals, bot::LedgerView& view) {
  std::string text = std::to_string(approvals.threshold()) + " of ";
  bool first = true;
  for (const pb::Signer& signer : approvals.signers()) {
    text += (first ? "" : ", ") + key_name(signer.key(), view);
    if (!signer.role().empty())
      text += " (" + signer.role() + (signer.required() ? ", required" : "") + ")";
    else if (signer.required())
      text += " (required)";
    if (signer.weight() != 1) text += " x" + std::to_string(signer.weight());
    first = false;
  }
  return text;
}

std::string title(const bot::Draft& draft) {
  const pb::ContractHeader& header = draft.compiled.header;
  switch (draft.change) {
    case bot::Draft::Change::Create: return header.name() + ": a new contract";
    case bot::Draft::Change::Update: return header.name() + ": version " + std::to_string(header.version());
    case bot::Draft::Change::None: break;
  }
  return header.name() + ": no change";
}

// Whose devices may join, beside the owner's.
std::string joiners(const contract::Disclosure& network, bot::LedgerView& view) {
  std::string text = "the owner";
  for (const Bytes& member : network.members) text += ", " + key_name(member, view);
  return text;
}

void print_disclosures(Output& out, const bot::Draft& draft, bot::LedgerView& view) {
  bool any = false;
  for (const contract::Disclosure& one : contract::disclosures({draft.compiled.header, draft.compiled.body})) {
    std::string line = "Who could read " + one.workload + ": " + one.who;
    if (one.kind == "network") line += one.devices ? "; devices of " + joiners(one, view) + " may join" : "; no devices may join";
    out.line(printable(line));
    any = any || one.gateways_read;
  }
  if (!any) out.line("A gateway could read: nothing");
  if (any && draft.compiled.header.sealed_secrets()) {
    out.line("Gateways hold the key of the contract's secrets too, as every node that runs a part of it");
  }
}

void add_disclosures(const bot::Draft& draft, bot::LedgerView& view, Json& json) {
  json["gateway_reads"] = Json::array();
  json["readers"] = Json::array();
  for (const contract::Disclosure& one : contract::disclosures({draft.compiled.header, draft.compiled.body})) {
    if (one.gateways_read) json["gateway_reads"].push_back(one.workload);
    Json members = Json::array();
    for (const Bytes& member : one.members) members.push_back(key_name(member, view));
    json["readers"].push_back({{"workload", one.workload}, {"kind", one.kind}, {"who", one.who}, {"devices", one.devices}, {"members", members}});
  }
}

// Which values stand in what would be signed, and who said so.
void print_parameters(Output& out, const bot::Draft& draft) {
  if (draft.parameters.empty()) return;
  Table table{{"PARAMETER", "VALUE", "FROM"}, {}};
  for (const contract::UsedParameter& one : draft.parameters) table.rows.push_back({one.name, contract::shortened(one.value), one.from});
  out.table(table);
}

std::vector<std::string> node_names(const std::vector<NodeId>& nodes, bot::LedgerView& view) {
  std::vector<std::string> names;
  for (const NodeId& node : nodes) names.push_back(view.node_name(node.view()));
  std::ranges::sort(names);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Json json_of(const bot::Draft& draft, bot::LedgerView& view) {
  const pb::ContractHeader& header = draft.compiled.header;
  Json json = {{"change", change_name(draft.change)},
               {"id", draft.id.hex()},
               {"name", header.name()},
               {"version", header.version()}};
  json["contract"] = Json::array();
  for (const auto& field : draft.diff.contract) json["contract"].push_back(json_of(field));
  json["workloads"] = Json::array();
  for (const auto& workload : draft.diff.workloads) {
    Json fields = Json::array();
    for (const auto& field : workload.fields) fields.push_back(json_of(field));
    json["workloads"].push_back({{"name", workload.name},
                                 {"kind", workload.kind},
                                 {"change", change_name(workload.change)},
                                 {"restarts", workload.restarts},
                                 {"fields", fields}});
  }
  json["approvals"] = {{"threshold", header.approvals().threshold()},
                       {"signers", Json::array()},
                       {"acceptance_threshold", header.approvals().acceptance_threshold()}};
  for (const pb::Signer& signer : header.approvals().signers()) {
    json["approvals"]["signers"].push_back({{"name", key_name(signer.key(), view)},
                                            {"key", to_hex(signer.key())},
                                            {"role", signer.role()},
                                            {"weight", signer.weight()},
                                            {"required", signer.required()}});
  }
  json["parameters"] = Json::array();
  for (const contract::UsedParameter& one : draft.parameters) {
    json["parameters"].push_back({{"name", one.name}, {"value", one.value}, {"from", one.from}});
  }
  json["sealed_for"] = node_names(draft.readers, view);
  json["not_sealed_for"] = node_names(draft.not_readers, view);
  json["forecast"] = Json::array();
  for (const bot::Forecast& place : draft.forecast) {
    json["forecast"].push_back({{"workload", place.workload},
                                {"index", place.index},
                                {"node", view.node_name(place.node)},
                                {"stays", place.stays},
                                {"lacking", place.lacking}});
  }
  add_disclosures(draft, view, json);
  return json;
}

void print_draft(Desk& desk, const bot::Draft& draft, bot::LedgerView& view) {
  Output& out = desk.out();
  const pb::ContractHeader& header = draft.compiled.header;
  out.line(paint(title(draft), Tone::Strong, out.colour()));
  for (const std::string& line : contract::format_diff(draft.diff)) out.line(printable(line));
  print_parameters(out, draft);
  if (!draft.not_readers.empty()) {
    out.line("Its secrets cannot be opened by " + joined(node_names(draft.not_readers, view)) + " yet: mcloud reseal " +
             header.name());
  }
  if (draft.change == bot::Draft::Change::None) return;
  out.line("\nMust approve: " + signers_text(header.approvals(), view));
  if (header.approvals().acceptance_threshold() > 0) {
    out.line("Signs off after success: " + std::to_string(header.approvals().acceptance_threshold()) + " of the same");
  }
  if (header.sealed_secrets()) {
    out.line("Secrets are sealed for: " +
             (draft.readers.empty() ? "no node (none is eligible)" : joined(node_names(draft.readers, view))));
  }
  print_disclosures(out, draft, view);
  if (draft.forecast.empty()) return;
  Table table{{"REPLICA", "WOULD STAND ON", ""}, {}};
  for (const bot::Forecast& place : draft.forecast) {
    bool none = place.node.empty();
    table.rows.push_back({place.workload + "-" + std::to_string(place.index),
                          {none ? "no node" : view.node_name(place.node), none ? Tone::Bad : Tone::Plain},
                          none ? Cell(place.lacking, Tone::Bad) : Cell(place.stays ? "stays" : "")});
  }
  out.line("");
  out.table(table);
}

Result<bot::Draft> load_draft(Desk& desk, const bot::ContractFile& file) {
  bot::FileOutcome read = TRY(bot::read_contract(file));
  if (!read.contract) return report(desk, file.path, read.diagnostics);  // before a ledger is needed
  bot::LedgerView* view = TRY(desk.ledger());
  std::string owner = TRY(desk.key_name());
  bot::DraftOutcome outcome = TRY(bot::make_draft(*view, desk.wallet(), desk.clock(), {file, owner}));
  if (!outcome.draft) return report(desk, file.path, outcome.diagnostics);
  return std::move(*outcome.draft);
}

}  // namespace mcloud::cli
