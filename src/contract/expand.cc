#include "contract/expand.h"

#include <algorithm>
#include <optional>
#include <set>

#include "contract/field_reader.h"
#include "contract/header.h"
#include "contract/reference.h"
#include "contract/substitute.h"

namespace mcloud::contract {
namespace {

using wire::YamlNode;
using Entry = std::pair<YamlNode, YamlNode>;

YamlNode* find_value(YamlNode& map, std::string_view key) {
  for (Entry& entry : map.entries) {
    if (entry.first.scalar == key) return &entry.second;
  }
  return nullptr;
}

// The value with its key, taken out of the map.
std::optional<Entry> take(YamlNode& map, std::string_view key) {
  auto at = std::ranges::find_if(map.entries, [&](const Entry& entry) { return entry.first.scalar == key; });
  if (at == map.entries.end()) return std::nullopt;
  Entry out = std::move(*at);
  map.entries.erase(at);
  return out;
}

void stamp(YamlNode& node, int file) {
  node.place.file = file;
  for (YamlNode& item : node.items) stamp(item, file);
  for (Entry& entry : node.entries) {
    stamp(entry.first, file);
    stamp(entry.second, file);
  }
}

// A text, or a list of different ones; reports anything else.
std::vector<Text> texts_of(const Cursor& cursor, const Rule& rule, size_t count_max) {
  if (!cursor.is_scalar()) return cursor.unique_texts(rule, count_max).value_or(std::vector<Text>{});
  std::optional<Text> text = cursor.text(rule);
  return text ? std::vector<Text>{std::move(*text)} : std::vector<Text>{};
}

// About what a copy takes: a short text costs no less than its place.
size_t bytes_of(const YamlNode& node) {
  size_t bytes = 16 + node.scalar.size();
  for (const YamlNode& item : node.items) bytes += bytes_of(item);
  for (const Entry& entry : node.entries) bytes += bytes_of(entry.first) + bytes_of(entry.second);
  return bytes;
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

class Expansion {
 public:
  Expansion(YamlNode& root, std::string_view file_name, const Surroundings& around, Report& report)
      : root_(root), around_(around), report_(report) {
    home_ = folder_of(std::string(file_name));
    chain_.emplace_back(file_name.substr(home_.size()));
  }

  std::vector<UsedParameter> run() {
    std::optional<Entry> declared = take(root_, "parameters");
    Parameters parameters = read(declared);
    const bool are_made = find_value(root_, "workloads") == nullptr;
    if (are_made) make_workloads();
    join(root_, "");
    for (Entry& workload : workloads().entries) use_sets(workload);
    if (declared && report_.empty()) substitute(root_, parameters, report_);
    if (are_made && workloads().entries.empty()) take(root_, "workloads");
    std::vector<UsedParameter> used;
    for (const auto& [name, parameter] : parameters) {
      if (parameter.used) used.push_back({name, parameter.value.value, parameter.from});
    }
    return used;
  }

 private:
  Parameters read(const std::optional<Entry>& declared) {
    if (declared) return read_parameters(Cursor(declared->first, declared->second, "parameters", report_), around_.values);
    for (const auto& [name, value] : around_.values) {
      report_.add(root_.place, "", "there is no parameter \"" + shortened(name) + "\" (" + shortened(value.from) + ")",
                  {"the file declares none: parameters: {" + shortened(name) + ": {type: ...}}", ""});
    }
    return {};
  }

  // Where only fragments give workloads there is no map of them yet.
  void make_workloads() {
    Entry entry;
    entry.first.kind = YamlNode::Kind::Scalar;
    entry.first.scalar = "workloads";
    entry.first.place = entry.second.place = root_.place;
    entry.second.kind = YamlNode::Kind::Map;
    root_.entries.push_back(std::move(entry));
  }
  YamlNode& workloads() { return *find_value(root_, "workloads"); }

  // Takes what `file`, the root or a fragment in `folder`, includes and sets.
  void join(YamlNode& file, const std::string& folder) {
    if (std::optional<Entry> sets = take(file, "fields")) add_sets(*sets);
    std::optional<Entry> include = take(file, "include");
    if (!include) return;
    Cursor cursor(include->first, include->second, "include", report_);
    for (const Text& path : texts_of(cursor, kFragmentPathRule, expand_bounds::kFragments)) include_file(path, folder + path.value);
  }

  void include_file(const Text& written, const std::string& path) {
    auto complain = [&](const std::string& message, const std::string& allowed = "") {
      report_.add(written.place, "include", message, {allowed, ""});
    };
    if (auto at = std::ranges::find(chain_, path); at != chain_.end()) {
      std::string circle;
      for (; at != chain_.end(); ++at) circle += *at + " -> ";
      return complain("goes round in a circle: " + circle + path);
    }
    if (seen_.contains(path)) return;  // what two files need is there once
    if (static_cast<int>(chain_.size()) > expand_bounds::kDepth) {
      return complain("\"" + shortened(path) + "\" is a fragment of a fragment too often", "up to " + std::to_string(expand_bounds::kDepth) + " levels");
    }
    if (seen_.size() >= expand_bounds::kFragments) return complain("too many fragments", "up to " + std::to_string(expand_bounds::kFragments));
    seen_.insert(path);
    if (!around_.read_fragment) return complain("fragments cannot be read here");
    Result<std::string> text = around_.read_fragment(path);
    if (!text) return complain("\"" + shortened(path) + "\": " + text.error().message);
    bytes_ += text->size();
    if (bytes_ > expand_bounds::kFragmentBytes) return complain("the fragments are too large", "1MiB in all");
    read_fragment(*text, path);
  }

  void read_fragment(const std::string& text, const std::string& path) {
    const int file = report_.add_file(home_ + path);
    auto tree = wire::parse_yaml(text);
    if (!tree) {
      wire::YamlPlace place = tree.error().place;
      place.file = file;
      return report_.add(place, "", tree.error().message);
    }
    stamp(*tree, file);
    if (tree->kind == YamlNode::Kind::Null) return;
    chain_.push_back(path);
    {
      MapReader fields(Cursor(*tree, "", report_), tree->place);
      for (std::string_view key : {"include", "fields", "workloads"}) fields.find(key);
      fields.finish();
    }
    join(*tree, folder_of(path));
    if (std::optional<Entry> found = take(*tree, "workloads")) add_workloads(*found);
    chain_.pop_back();
  }

  void add_workloads(Entry& found) {
    Cursor cursor(found.first, found.second, "workloads", report_);
    if (!cursor.is_map()) return cursor.complain_kind("a map of names to workloads");
    YamlNode& all = workloads();
    if (all.kind != YamlNode::Kind::Map) return;  // the parser says so
    for (Entry& workload : found.second.entries) {
      auto same = [&](const Entry& other) { return other.first.scalar == workload.first.scalar; };
      if (auto at = std::ranges::find_if(all.entries, same); at != all.entries.end()) {
        report_.add(workload.first.place, child_path("workloads", workload.first.scalar),
                    "stands in " + report_.where(at->first.place) + " as well", {"one of the two", ""});
      } else {
        all.entries.push_back(std::move(workload));
      }
    }
  }

  void add_sets(const Entry& found) {
    Cursor cursor(found.first, found.second, "fields", report_);
    for (const auto& [name, value] : cursor.entries(expand_bounds::kSets)) {
      if (!kNameRule.holds(name.value)) {
        report_.add(name.place, value.path(), "is not the name of a set of fields", {std::string(kNameRule.allowed), ""});
      }
      if (!value.is_map()) {
        value.complain_kind("a map of fields of workloads");
        continue;
      }
      for (const Entry& entry : value.node().entries) {
        if (entry.first.scalar == "use") report_.add(entry.first.place, child_path(value.path(), "use"), "a set uses no other", {"the fields themselves", ""});
      }
      auto [at, is_new] = sets_.emplace(name.value, value.node());
      if (!is_new) {
        report_.add(name.place, value.path(), "stands in " + report_.where(at->second.place) + " as well", {"one of the two", ""});
      }
    }
  }

  void use_sets(Entry& workload) {
    std::optional<Entry> use = take(workload.second, "use");
    if (!use) return;
    const std::string path = child_path("workloads", workload.first.scalar);
    std::vector<std::string> names;
    for (const auto& [name, fields] : sets_) names.push_back(name);
    for (const Text& name : texts_of(Cursor(use->first, use->second, child_path(path, "use"), report_), kNameRule, expand_bounds::kSets)) {
      auto found = sets_.find(name.value);
      if (found == sets_.end()) {
        report_.add(name.place, child_path(path, "use"), "there is no set of fields \"" + name.value + "\"",
                    {names.empty() ? "" : joined_names(names), nearest_spelling(name.value, names)});
        continue;
      }
      const bool was_full = bytes_used_ > expand_bounds::kBytesUsed;
      bytes_used_ += bytes_of(found->second);
      if (bytes_used_ <= expand_bounds::kBytesUsed) {
        for (const Entry& field : found->second.entries) add_field(workload.second, field, path, name);
      } else if (!was_full) {
        report_.add(name.place, child_path(path, "use"), "with this set the file becomes too large", {"4MiB by all sets that are used", ""});
      }
    }
  }

  void add_field(YamlNode& workload, const Entry& field, const std::string& path, const Text& set) {
    auto same = [&](const Entry& other) { return other.first.scalar == field.first.scalar; };
    auto at = std::ranges::find_if(workload.entries, same);
    if (at == workload.entries.end()) {
      workload.entries.push_back(field);
      return;
    }
    report_.add(set.place, child_path(path, field.first.scalar),
                "is given by \"" + set.value + "\" (" + report_.where(field.first.place) + ") and by " + report_.where(at->first.place),
                {"one of the two", ""});
  }

  YamlNode& root_;
  const Surroundings& around_;
  Report& report_;
  std::string home_;                // where the contract is
  std::vector<std::string> chain_;  // files that are being read, the contract first
  std::set<std::string> seen_;
  std::map<std::string, YamlNode> sets_;
  size_t bytes_ = 0;       // of fragments
  size_t bytes_used_ = 0;  // by sets
};

}  // namespace

std::vector<UsedParameter> expand(YamlNode& tree, std::string_view file_name, const Surroundings& around, Report& report) {
  return Expansion(tree, file_name, around, report).run();
}

}  // namespace mcloud::contract
