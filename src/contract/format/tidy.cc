#include <algorithm>

#include "base/units.h"
#include "contract/fields/table.h"
#include "contract/format/leaf.h"

namespace mcloud::contract {
namespace {

using Kind = wire::YamlNode::Kind;
using Type = Shape::Type;
using Forms = std::vector<Shape>;

// "1024MiB" -> "1GiB"; the text itself when another spelling would say less.
std::string spelled(const std::string& text, Result<uint64_t> (*parse)(std::string_view), std::string (*format)(uint64_t)) {
  Result<uint64_t> value = parse(text);
  if (!value || *value == 0) return text;
  std::string out = format(*value);
  Result<uint64_t> again = parse(out);
  return again && *again == *value ? out : text;
}

void tidy_scalar(Leaf& leaf, const Forms& forms) {
  if (leaf.scalar.find("${") != std::string::npos) return;
  for (const Shape& shape : forms) {
    std::string now = leaf.scalar;
    if (shape.type == Type::Size) now = spelled(now, parse_size, format_size);
    if (shape.type == Type::Duration) now = spelled(now, parse_duration_ms, format_duration_ms);
    if (shape.type == Type::Cpu) now = spelled(now, parse_cpu_milli, format_cpu_milli);
    const bool is_amount = shape.type == Type::Size || shape.type == Type::Duration || shape.type == Type::Cpu;
    const bool is_flag = shape.type == Type::Flag && (now == "true" || now == "false");
    if (is_amount || is_flag) leaf.quoted = false;
    leaf.scalar = std::move(now);
    if (shape.type == Type::Text) return;  // any text means itself
  }
}

std::vector<const Field*> fields_of(const Forms& forms) {
  std::vector<const Field*> out;
  for (const Shape& shape : forms) {
    for (const Field& field : shape.fields) {
      if (std::ranges::none_of(out, [&](const Field* other) { return other->key == field.key; })) out.push_back(&field);
    }
  }
  return out;
}

void tidy_value(Leaf& leaf, const Forms& forms);

// Known keys first, in the table's order; unknown ones behind them as they were.
void tidy_map(Leaf& leaf, const std::vector<const Field*>& fields) {
  auto rank = [&](const Leaf& kid) {
    auto at = std::ranges::find_if(fields, [&](const Field* field) { return field->key == kid.key.scalar; });
    return at - fields.begin();
  };
  std::vector<std::pair<ptrdiff_t, size_t>> order;
  for (size_t i = 0; i < leaf.kids.size(); ++i) order.emplace_back(rank(leaf.kids[i]), i);
  std::ranges::sort(order);
  std::vector<Leaf> kids;
  for (const auto& [of_table, index] : order) kids.push_back(std::move(leaf.kids[index]));
  leaf.kids = std::move(kids);
  for (Leaf& kid : leaf.kids) {
    const size_t at = static_cast<size_t>(rank(kid));
    if (at < fields.size()) tidy_value(kid, fields[at]->forms);
  }
}

void tidy_value(Leaf& leaf, const Forms& forms) {
  if (leaf.kind == Kind::Scalar) return tidy_scalar(leaf, forms);
  for (const Shape& shape : forms) {
    const bool fits = (leaf.kind == Kind::List && shape.type == Type::List) || (leaf.kind == Kind::Map && shape.type == Type::Names);
    if (!fits) continue;
    for (Leaf& kid : leaf.kids) tidy_value(kid, shape.of);
    return;
  }
  if (leaf.kind == Kind::Map) tidy_map(leaf, fields_of(forms));
}

void add_fields(const std::vector<Field>& fields, std::vector<const Field*>& out) {
  for (const Field& field : fields) {
    if (std::ranges::none_of(out, [&](const Field* other) { return other->key == field.key; })) out.push_back(&field);
  }
}

// Of its kind; of a set of fields, whose kind nobody knows, those of all.
std::vector<const Field*> workload_fields_of(const Leaf& workload) {
  std::vector<const Field*> out;
  add_fields(workload_fields(), out);
  auto kind = std::ranges::find_if(workload.kids, [](const Leaf& kid) { return kid.key.scalar == "kind"; });
  const KindFields* known = kind == workload.kids.end() ? nullptr : find_kind_fields(kind->scalar);
  for (const KindFields& one : kind_fields()) {
    if (known == nullptr || &one == known) add_fields(one.fields, out);
  }
  return out;
}

}  // namespace

void tidy(Leaf& root) {
  if (root.kind != Kind::Map) return;
  root.always_block = true;
  std::vector<const Field*> fields;
  add_fields(contract_fields(), fields);
  tidy_map(root, fields);
  for (Leaf& part : root.kids) {
    const std::string& key = part.key.scalar;
    if (part.kind != Kind::Map || (key != "workloads" && key != "fields" && key != "parameters")) continue;
    part.always_block = true;
    if (key == "parameters") continue;
    for (Leaf& workload : part.kids) {
      if (workload.kind == Kind::Map) tidy_map(workload, workload_fields_of(workload));
    }
  }
}

}  // namespace mcloud::contract
