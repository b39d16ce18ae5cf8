#include "contract/parse.h"

#include <algorithm>
#include <set>

#include "contract/conduct.h"
#include "contract/expand.h"
#include "contract/field_reader.h"
#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/kind.h"
#include "contract/kinds/network.h"
#include "contract/kinds/reachable.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

constexpr Bounds kExpiresBounds = {60'000, 365ull * 86'400'000};

std::optional<Signer> read_signer(const Cursor& cursor) {
  Signer signer;
  if (cursor.is_scalar()) {
    std::optional<Text> who = cursor.text(kWhoRule);
    if (!who) return std::nullopt;
    signer.who = std::move(*who);
    signer.role = "approver";
    return signer;
  }
  MapReader fields(cursor, cursor.place());
  if (auto found = fields.get("who", "who: ida")) signer.who = found->text(kWhoRule).value_or(Text{});
  if (auto found = fields.find("role")) signer.role = found->text(kNameRule).value_or(Text{}).value;
  if (auto found = fields.find("weight")) signer.weight = plain_u32(found->number({1, kWeightMax})).value_or(1);
  if (auto found = fields.find("required")) signer.required = found->boolean().value_or(false);
  fields.finish();
  if (signer.role.empty()) signer.role = "approver";
  return signer;
}

std::vector<Signer> read_signers(const Cursor& cursor) {
  std::vector<Signer> signers;
  std::set<std::string> seen;
  if (!cursor.is_list() || cursor.node().items.empty() || cursor.node().items.size() > kSignersMax) {
    cursor.complain("does not say who approves", {"a list of 1 to " + std::to_string(kSignersMax) +
                                                  ", such as [{who: ida, role: it}, {who: lena, role: legal}]", ""});
    return signers;
  }
  for (size_t i = 0; i < cursor.node().items.size(); ++i) {
    Cursor item(cursor.node().items[i], cursor.path() + "[" + std::to_string(i) + "]", cursor.report());
    std::optional<Signer> signer = read_signer(item);
    if (!signer) continue;
    if (!signer->who.value.empty() && !seen.insert(signer->who.value).second) {
      cursor.report().add(signer->who.place, item.path() + ".who", "\"" + signer->who.value + "\" is a signer already");
    }
    signers.push_back(std::move(*signer));
  }
  return signers;
}

Approvals read_approvals(const Cursor& cursor, Place owner) {
  Approvals approvals;
  MapReader fields(cursor, owner);
  if (auto found = fields.get("signers", "signers: [{who: ida, role: it}]")) approvals.signers = read_signers(*found);
  uint64_t weights = 0;
  for (const Signer& signer : approvals.signers) weights += signer.weight;
  approvals.threshold = static_cast<uint32_t>(weights);
  for (auto [key, target] : {std::pair("threshold", &approvals.threshold), {"acceptance", &approvals.acceptance}}) {
    std::optional<Cursor> found = fields.find(key);
    if (!found) continue;
    std::optional<Placed<uint64_t>> number = found->number({key[0] == 't' ? 1u : 0u, kSignersMax * kWeightMax});
    if (!number) continue;
    *target = static_cast<uint32_t>(number->value);
    if (number->value > weights && !approvals.signers.empty()) {
      found->complain(std::to_string(number->value) + " can never be reached: all signers together weigh " +
                          std::to_string(weights),
                      {"at most " + std::to_string(weights), ""});
    }
  }
  fields.finish();
  return approvals;
}

void read_workload(const Text& name, const Cursor& cursor, Contract& contract) {
  if (!kNameRule.holds(name.value)) {
    cursor.report().add(name.place, cursor.path(), "is not a workload's name", {std::string(kNameRule.allowed), ""});
  }
  Workload workload{name, "", Unreadable{}};
  MapReader fields(cursor, name.place);
  fields.find("use");  // known, and taken out by expand()
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.emplace_back(kind.name);
  std::optional<Cursor> word = fields.get("kind", "kind: container");
  std::optional<Text> text = word ? word->text() : std::nullopt;
  if (text) {
    if (const Kind* kind = find_kind(text->value)) {
      workload.kind = kind->name;
      kind->parse(fields, workload);
      fields.finish();
    } else {
      word->complain("there is no kind \"" + shortened(text->value) + "\"",
                     {joined_names(names), nearest_spelling(text->value, names)});
    }
  }
  contract.workloads.push_back(std::move(workload));
}

void read_workloads(MapReader& fields, Contract& contract) {
  std::optional<Cursor> found = fields.get("workloads", "workloads: {web: {kind: container, image: oci:./image}}");
  if (!found) return;
  for (const auto& [name, value] : found->entries(kWorkloadsMax)) read_workload(name, value, contract);
  if (found->is_map() && found->node().entries.empty()) found->complain("is empty: there is nothing to run");
  std::sort(contract.workloads.begin(), contract.workloads.end(),
            [](const Workload& a, const Workload& b) { return a.name.value < b.name.value; });
}

// What says nothing about networks stands in the contract's only one, else in "default",
// which then exists as if it had been written.
void add_default_network(Contract& contract, Report& report) {
  Place place;
  bool needed = false;
  for (const Workload& workload : contract.workloads) {
    std::optional<Reachable> found = reachable(workload);
    if (!found || !contains(spaces_of(contract, *found->networks), kDefaultNetwork)) continue;
    if (!needed) place = workload.name.place;
    needed = true;
  }
  if (!needed || contract.find_as<Network>(kDefaultNetwork) != nullptr) return;
  if (const Workload* other = contract.find(kDefaultNetwork)) {
    report.add(other->name.place, "workloads.default", "\"default\" is the name of the network that containers share",
               {"another name, or networks: [...] for every container", ""});
    return;
  }
  Workload network{{std::string(kDefaultNetwork), place}, std::string(kNetworkKind.name), Network{}};
  auto above = [](const Workload& a, const Workload& b) { return a.name.value < b.name.value; };
  auto at = std::upper_bound(contract.workloads.begin(), contract.workloads.end(), network, above);
  contract.workloads.insert(at, std::move(network));
  if (contract.workloads.size() > kWorkloadsMax) {
    report.add(place, "workloads", "with the network \"default\" there are more than " + std::to_string(kWorkloadsMax));
  }
}

void read_contract(const Cursor& root, Contract& contract) {
  MapReader fields(root, root.place());
  if (auto found = fields.get("name", "name: hello")) contract.name = found->text(kNameRule).value_or(Text{});
  if (auto found = fields.find("expires")) {
    contract.expires_after_ms = plain(found->duration_ms(kExpiresBounds)).value_or(0);
  }
  if (auto found = fields.find("approvals")) contract.approvals = read_approvals(*found, fields.owner());
  contract.placement = read_placement(fields, PlacementOf::Contract);
  read_workloads(fields, contract);
  for (std::string_view key : {"parameters", "include", "fields"}) fields.find(key);  // as `use`
  fields.finish();
}

void check_workloads(Contract& contract, Report& report) {
  add_default_network(contract, report);
  for (const Workload& workload : contract.workloads) {
    if (const Kind* kind = find_kind(workload.kind)) kind->check(contract, workload, report);
  }
}

}  // namespace

ParseOutcome parse_contract(std::string_view yaml, std::string_view file_name, const Surroundings& around) {
  Report report(file_name);
  ParseOutcome outcome;
  auto tree = wire::parse_yaml(yaml);
  if (!tree) {
    report.add(tree.error().place, "", tree.error().message);
    outcome.diagnostics = report.take();
    return outcome;
  }
  Contract contract;
  contract.file_name = file_name;
  if (tree->kind == wire::YamlNode::Kind::Null) {
    report.add(tree->place, "", "the file is empty");
    outcome.diagnostics = report.take();
    return outcome;
  }
  if (tree->kind == wire::YamlNode::Kind::Map) contract.parameters = expand(*tree, file_name, around, report);
  contract.fragment_names = report.added_files();
  // What could not be joined in would be told again as missing.
  if (report.empty()) {
    read_contract(Cursor(*tree, "", report), contract);
    check_workloads(contract, report);
  }
  outcome.diagnostics = report.take();
  if (outcome.diagnostics.empty()) outcome.contract = std::move(contract);
  return outcome;
}

}  // namespace mcloud::contract
