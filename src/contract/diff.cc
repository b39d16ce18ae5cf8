#include "contract/diff.h"

#include <algorithm>
#include <map>
#include <optional>

#include "contract/header.h"
#include "contract/kinds/kind.h"
#include "contract/printed.h"

namespace mcloud::contract {
namespace {

using Fields = std::map<std::string, PrintedField>;

Fields fields_of(const google::protobuf::Message& message) {
  Fields out;
  for (PrintedField& field : print_fields(message)) {
    // Keys are shown short, so two of them may look the same; neither may hide the other.
    std::string path = field.path;
    while (out.contains(path)) path += "'";
    out.emplace(std::move(path), std::move(field));
  }
  return out;
}

bool is_under(std::string_view path, std::string_view name) {
  return path.starts_with(name) && (path.size() == name.size() || path[name.size()] == '.');
}

FieldChange change_of(const PrintedField* before, const PrintedField* after, bool restarts) {
  FieldChange change{(before != nullptr ? before : after)->label(), before != nullptr ? before->text : "",
                     after != nullptr ? after->text : "", restarts};
  // Secrets and long texts may look the same although they are not.
  if (before != nullptr && after != nullptr && change.before == change.after) change.after += " (changed)";
  return change;
}

template <typename Restarts>
void compare(const google::protobuf::Message& before, const google::protobuf::Message& after, Restarts restarts,
             std::vector<FieldChange>& out) {
  Fields old_fields = fields_of(before), new_fields = fields_of(after);
  for (const auto& [path, field] : old_fields) {
    auto other = new_fields.find(path);
    if (other == new_fields.end()) {
      out.push_back(change_of(&field, nullptr, restarts(path)));
    } else if (other->second.content != field.content) {
      out.push_back(change_of(&field, &other->second, restarts(path)));
    }
  }
  for (const auto& [path, field] : new_fields) {
    if (!old_fields.contains(path)) out.push_back(change_of(nullptr, &field, restarts(path)));
  }
}

// What the person said, without what follows from the body.
pb::Facets said(const pb::Facets& facets) {
  pb::Facets out = facets;
  out.clear_with();
  out.clear_claims();
  out.clear_exclusive();
  out.clear_has_health();
  out.clear_set();
  out.clear_names();
  return out;
}

std::string summary_of(const WorkloadView& view) {
  const Kind* kind = find_kind(view.body.kind_case());
  return kind == nullptr ? "" : kind->summary(view.facets, view.body);
}

WorkloadChange whole(const WorkloadView& view, Change change) {
  return {view.facets.name(), view.facets.kind(), change, summary_of(view), {}, false};
}

// Both parts of a workload; a valid header and body have both or neither.
std::optional<WorkloadView> find_view(const ContractView& view, std::string_view name) {
  const pb::Facets* facets = find_facets(view.header, name);
  const pb::WorkloadBody* body = find_body(view.body, name);
  if (facets == nullptr || body == nullptr) return std::nullopt;
  return WorkloadView{*facets, *body};
}

const pb::AddressSpace* find_space(const pb::ContractHeader& header, std::string_view name) {
  for (const pb::AddressSpace& candidate : header.spaces()) {
    if (candidate.name() == name) return &candidate;
  }
  return nullptr;
}

std::string members_text(const pb::AddressSpace& space) {
  std::string out;
  for (const std::string& member : space.members()) out += (out.empty() ? "" : ", ") + to_hex(BytesView(member).substr(0, 4));
  return "[" + out + "]";
}

// Who may join a network stands in the header alone.
void compare_members(const pb::ContractHeader& before, const pb::ContractHeader& after, std::string_view name,
                     std::vector<FieldChange>& out) {
  const pb::AddressSpace* old_space = find_space(before, name);
  const pb::AddressSpace* new_space = find_space(after, name);
  if (old_space == nullptr || new_space == nullptr) return;
  bool is_same = std::equal(old_space->members().begin(), old_space->members().end(), new_space->members().begin(), new_space->members().end());
  if (!is_same) out.push_back({"members", members_text(*old_space), members_text(*new_space), false});
}

std::string_view range_of(const pb::ContractHeader& header, std::string_view space) {
  const pb::AddressSpace* found = find_space(header, space);
  return found == nullptr ? std::string_view() : std::string_view(found->range());
}

void format_fields(const std::string& head, const std::vector<FieldChange>& fields, std::vector<std::string>& out) {
  for (const FieldChange& field : fields) {
    std::string line = head + field.field + " ";
    if (field.before.empty()) {
      line += "set to " + field.after;
    } else if (field.after.empty()) {
      line += "removed (was " + field.before + ")";
    } else {
      line += field.before + " -> " + field.after;
    }
    out.push_back(line + (field.restarts ? "  [restarts]" : ""));
  }
}

}  // namespace

WorkloadChange diff_workload(const WorkloadView& before, const WorkloadView& after) {
  WorkloadChange change = whole(after, Change::Changed);
  const Kind* kind = find_kind(after.body.kind_case());
  if (kind == nullptr || before.body.kind_case() != after.body.kind_case()) {
    change.fields.push_back({"kind", before.facets.kind(), after.facets.kind(), true});
    change.restarts = true;
    return change;
  }
  // Limits and networks are set up at the start of a replica; placement and conduct are the ledger's.
  auto facet_restarts = [](std::string_view path) { return is_under(path, "demand") || is_under(path, "spaces"); };
  auto body_restarts = [&](std::string_view path) {
    path.remove_prefix(path.find('.') + 1);  // the kind's own field of WorkloadBody
    auto covers = [&](std::string_view live) { return is_under(path, live); };
    return std::none_of(kind->live_fields.begin(), kind->live_fields.end(), covers);
  };
  if (kind->own_facets) compare(said(before.facets), said(after.facets), facet_restarts, change.fields);
  compare(before.body, after.body, body_restarts, change.fields);
  std::string prefix = after.facets.kind() + ".";
  for (FieldChange& field : change.fields) {
    if (field.field.starts_with(prefix)) field.field.erase(0, prefix.size());
    change.restarts = change.restarts || field.restarts;
  }
  return change;
}

Diff diff(const ContractView& before, const ContractView& after) {
  Diff out;
  if (before.header.name() != after.header.name()) {
    out.contract.push_back({"name", before.header.name(), after.header.name(), false});
  }
  compare(before.header.approvals(), after.header.approvals(), [](std::string_view) { return false; }, out.contract);
  for (FieldChange& field : out.contract) {
    if (field.field != "name") field.field = "approvals." + field.field;
  }
  for (const pb::Facets& facets : before.header.workloads()) {
    std::optional<WorkloadView> old_view = find_view(before, facets.name());
    if (old_view && !find_view(after, facets.name())) out.workloads.push_back(whole(*old_view, Change::Removed));
  }
  for (const pb::Facets& facets : after.header.workloads()) {
    std::optional<WorkloadView> new_view = find_view(after, facets.name());
    std::optional<WorkloadView> old_view = find_view(before, facets.name());
    if (!new_view) continue;
    WorkloadChange change = old_view ? diff_workload(*old_view, *new_view) : whole(*new_view, Change::Added);
    if (old_view) compare_members(before.header, after.header, facets.name(), change.fields);
    if (change.change == Change::Added || !change.fields.empty()) out.workloads.push_back(std::move(change));
  }
  std::sort(out.workloads.begin(), out.workloads.end(),
            [](const WorkloadChange& a, const WorkloadChange& b) { return a.name < b.name; });
  return out;
}

Diff diff_from_nothing(const ContractView& after) {
  pb::ContractHeader header;
  header.set_name(after.header.name());
  *header.mutable_approvals() = after.header.approvals();
  return diff({header, pb::ContractBody()}, after);
}

bool restarts_replicas(const ContractView& before, const ContractView& after, std::string_view workload) {
  std::optional<WorkloadView> old_view = find_view(before, workload);
  std::optional<WorkloadView> new_view = find_view(after, workload);
  if (!old_view || !new_view) return false;
  if (diff_workload(*old_view, *new_view).restarts) return true;
  for (const std::string& space : new_view->facets.spaces()) {
    if (range_of(before.header, space) != range_of(after.header, space)) return true;
  }
  return false;
}

std::vector<std::string> format_diff(const Diff& diff) {
  std::vector<std::string> out;
  format_fields("  ~ contract: ", diff.contract, out);
  for (const WorkloadChange& workload : diff.workloads) {
    std::string name = workload.name + " (" + workload.kind + ")";
    switch (workload.change) {
      case Change::Added: out.push_back("  + " + name + ": " + workload.summary); break;
      case Change::Removed: out.push_back("  - " + name + ": " + workload.summary); break;
      case Change::Changed: format_fields("  ~ " + name + ": ", workload.fields, out); break;
    }
  }
  return out;
}

}  // namespace mcloud::contract
