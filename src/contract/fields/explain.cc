#include "contract/fields/explain.h"

#include <algorithm>
#include <utility>

#include "contract/reference.h"

namespace mcloud::contract {
namespace {

using Type = Shape::Type;

bool is_bounded(Type type) {
  return type == Type::Number || type == Type::Size || type == Type::Duration || type == Type::Cpu;
}

// Known keys of any form, through lists and free keys; the first of each name, those of maps before those of lists' values.
void collect(const std::vector<Shape>& forms, std::vector<const Field*>& out) {
  for (const Shape& shape : forms) {
    for (const Field& field : shape.fields) {
      bool is_there = std::ranges::any_of(out, [&](const Field* other) { return other->key == field.key; });
      if (!is_there) out.push_back(&field);
    }
  }
  for (const Shape& shape : forms) collect(shape.of, out);
}

Explained of_field(std::string path, const Field& field) {
  Explained out;
  out.path = std::move(path);
  out.says = field.says;
  out.is = describe(field.forms);
  out.fallback_is_words = field.fallback.empty() && !field.otherwise.empty();
  out.fallback = field.fallback.empty() ? field.otherwise : field.fallback;
  out.required = field.required;
  for (const Shape& shape : field.forms) {
    std::string type(type_word(shape.type));
    if (std::ranges::find(out.types, type) == out.types.end()) out.types.push_back(std::move(type));
    if (is_bounded(shape.type)) {
      out.min = bound_text(shape.type, shape.bounds.min);
      out.max = bound_text(shape.type, shape.bounds.max);
    }
    out.words.insert(out.words.end(), shape.words.begin(), shape.words.end());
  }
  return out;
}

Explained of_kind(const KindFields& kind) {
  Explained out;
  out.path = kind.kind;
  out.says = kind.says;
  out.types = {"kind"};
  return out;
}

// What a path leads to: its own words, and the fields below it.
struct Found {
  Explained self;
  std::vector<const Field*> below;
};

std::vector<Found> roots() {
  std::vector<Found> out;
  for (const auto& fields : {std::cref(contract_fields()), std::cref(workload_fields())}) {
    for (const Field& field : fields.get()) {
      Found& found = out.emplace_back(Found{of_field(std::string(field.key), field), {}});
      collect(field.forms, found.below);
    }
  }
  for (const KindFields& kind : kind_fields()) {
    Found& found = out.emplace_back(Found{of_kind(kind), {}});
    for (const Field& field : kind.fields) found.below.push_back(&field);
  }
  return out;
}

void add_tree(const Found& found, std::vector<Explained>& out) {
  out.push_back(found.self);
  for (const Field* field : found.below) {
    Found inner{of_field(child_path(found.self.path, field->key), *field), {}};
    collect(field->forms, inner.below);
    add_tree(inner, out);
  }
}

Error unknown(std::string_view parent, std::string_view part, const std::vector<std::string>& names) {
  std::string text = parent.empty() ? "the language has no \"" + shortened(part) + "\""
                                    : "\"" + std::string(parent) + "\" has no field \"" + shortened(part) + "\"";
  std::string nearest = nearest_spelling(part, names);
  if (!nearest.empty()) {
    text += "; did you mean \"" + child_path(parent, nearest) + "\"?";
  } else {
    text += names.empty() ? "" : "; there are " + joined_names(names);
  }
  return make_error(Code::NotFound, text);
}

// The part up to the next dot, cut off.
std::string_view take_part(std::string_view& path) {
  size_t dot = std::min(path.find('.'), path.size());
  std::string_view part = path.substr(0, dot);
  path.remove_prefix(std::min(dot + 1, path.size()));
  return part;
}

Result<Found> find(std::string_view path) {
  if (path.starts_with("workloads.")) path.remove_prefix(std::string_view("workloads.").size());
  std::string_view part = take_part(path);
  std::vector<Found> all = roots();
  auto at = std::ranges::find_if(all, [&](const Found& found) { return found.self.path == part; });
  if (at == all.end()) {
    std::vector<std::string> names;
    for (const Found& found : all) names.push_back(found.self.path);
    return unknown("", part, names);
  }
  Found here = std::move(*at);
  while (!path.empty()) {
    part = take_part(path);
    auto next = std::ranges::find_if(here.below, [&](const Field* field) { return field->key == part; });
    if (next == here.below.end()) {
      std::vector<std::string> names;
      for (const Field* field : here.below) names.emplace_back(field->key);
      return unknown(here.self.path, part, names);
    }
    Found inner{of_field(child_path(here.self.path, part), **next), {}};
    collect((*next)->forms, inner.below);
    here = std::move(inner);
  }
  return here;
}

}  // namespace

Result<Explained> explain(std::string_view path) {
  Found found = TRY(find(path));
  for (const Field* field : found.below) found.self.below.push_back(of_field(child_path(found.self.path, field->key), *field));
  return std::move(found.self);
}

std::vector<Explained> explain_all() {
  std::vector<Explained> out;
  for (const Found& root : roots()) add_tree(root, out);
  return out;
}

}  // namespace mcloud::contract
