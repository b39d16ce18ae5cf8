// Table and parser are walked side by side: for every key at every level a small file is made around it.
#include "contract/fields/table.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <random>
#include <regex>
#include <set>

#include "contract/kinds/kind.h"
#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;

namespace {

using Type = Shape::Type;
using Wrap = std::function<std::string(const std::string& value)>;

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string minimal(const Shape& shape);

// `but`: the key that the caller writes itself.
std::string required_of(const std::vector<Field>& fields, std::string_view but = "") {
  std::string out;
  for (const Field& field : fields) {
    if (field.required && field.key != but) out += std::string(field.key) + ": " + minimal(field.forms.front()) + ", ";
  }
  return out;
}

std::string minimal(const Shape& shape) {
  switch (shape.type) {
    case Type::Text: return in_quotes(shape.pattern.example);
    case Type::Number: return std::to_string(shape.bounds.min);
    case Type::Size: return std::to_string(shape.bounds.min) + "B";
    case Type::Duration: return std::to_string(shape.bounds.min) + "ms";
    case Type::Cpu: return std::to_string(shape.bounds.min) + "m";
    case Type::Flag:
    case Type::Word: return std::string(shape.words.front());
    case Type::List: return "[" + minimal(shape.of.front()) + "]";
    case Type::Map: return "{" + required_of(shape.fields) + "}";
    case Type::Names: return "{" + in_quotes(shape.pattern.example) + ": " + minimal(shape.of.front()) + "}";
  }
  return "";
}

// What else must stand beside a key so that the map means anything.
std::string beside(std::string_view kind, std::string_view map_key, std::string_view key) {
  auto is = [&](std::initializer_list<std::string_view> keys) { return std::ranges::find(keys, key) != keys.end(); };
  if (map_key == "health" && !is({"http", "tcp", "exec"})) return "tcp: {port: http}, ";
  if (map_key == "mounts" && !is({"volume", "tmpfs"})) return "tmpfs: 1MiB, ";
  if (!map_key.empty()) return "";
  if (key == "bridge") return "encryption: none, ";
  if (kind == "container" && key != "ports") return "ports: {http: 80}, ";
  if (kind != "publish") return "";
  std::string out = is({"name", "names", "domains", "at"}) ? "" : "name: shop, ";
  return is({"to", "routes"}) ? out : out + "to: \"web:http\", ";
}

struct Spot {
  std::string path;       // as diagnostics say it
  std::string_view kind;  // "" outside of workloads
  std::string_view key;   // of the map that this is; "" = the workload or the contract itself
  Wrap wrap;
};

struct TableVisitor {
  std::function<void(const Spot&, const std::vector<Shape>& forms)> value;      // of a field, an entry, an item
  std::function<void(const Spot& map, const Field&, const std::string& without, const std::string& with)> fallback;
};

void walk_forms(const Spot& place, const std::vector<Shape>& forms, const TableVisitor& visit);

void walk_fields(const Spot& map, const std::vector<Field>& fields, const TableVisitor& visit) {
  for (const Field& field : fields) {
    const std::string around = required_of(fields, field.key) + beside(map.kind, map.key, field.key);
    Spot place = {child_path(map.path, field.key), map.kind, field.key, [&map, &field, around](const std::string& value) {
                     return map.wrap("{" + around + std::string(field.key) + ": " + value + "}");
                   }};
    if (!field.fallback.empty()) visit.fallback(map, field, map.wrap("{" + around + "}"), place.wrap(std::string(field.fallback)));
    if (!field.forms.empty()) walk_forms(place, field.forms, visit);
  }
}

void walk_forms(const Spot& place, const std::vector<Shape>& forms, const TableVisitor& visit) {
  visit.value(place, forms);
  for (const Shape& shape : forms) {
    if (shape.type == Type::Map) walk_fields(place, shape.fields, visit);
    if (shape.type == Type::List) {
      walk_forms({place.path + "[0]", place.kind, place.key, [&](const std::string& value) { return place.wrap("[" + value + "]"); }},
                 shape.of, visit);
    }
    if (shape.type == Type::Names) {
      const std::string key(shape.pattern.example);
      walk_forms({child_path(place.path, key), place.kind, place.key,
                  [&, key](const std::string& value) { return place.wrap("{" + in_quotes(key) + ": " + value + "}"); }},
                 shape.of, visit);
    }
  }
}

std::string workloads_around(std::string_view kind, const std::string& value) {
  const std::string name = kind == "volume" ? "vol" : "w";
  const std::string mounts = kind == "volume" ? "mounts: {/d: vol}" : "";
  return "{" + name + ": {kind: " + std::string(kind) + ", " + value.substr(1) +
         ", web: {kind: container, image: \"oci:./i\", ports: {http: 80}, " + mounts + "}}";
}

void walk_language(const TableVisitor& visit) {
  const std::string workloads = workloads_around("container", "{image: \"oci:./i\"}");
  walk_fields({"", "", "", [&](const std::string& value) { return "{workloads: " + workloads + ", " + value.substr(1); }},
              [] {
                std::vector<Field> fields = contract_fields();
                std::erase_if(fields, [](const Field& field) { return field.key == "workloads"; });
                return fields;
              }(),
              visit);
  for (const KindFields& kind : kind_fields()) {
    walk_fields({kind.kind == "volume" ? "workloads.vol" : "workloads.w", kind.kind, "",
                 [&](const std::string& value) { return "{name: a, workloads: " + workloads_around(kind.kind, value) + "}"; }},
                kind.fields, visit);
  }
}

std::vector<Diagnostic> told(const std::string& yaml, const std::string& path) {
  ParseOutcome outcome = parse_contract(yaml, "x.yaml");
  std::erase_if(outcome.diagnostics, [&](const Diagnostic& one) { return one.field != path; });
  return outcome.diagnostics;
}
bool says(const std::vector<Diagnostic>& all, std::string_view words) {
  return std::ranges::any_of(all, [&](const Diagnostic& one) { return one.message.find(words) != std::string::npos; });
}

std::string sorted_keys(const std::set<std::string_view>& keys) {
  std::string out;
  for (std::string_view key : keys) out += (out.empty() ? "" : ", ") + std::string(key);
  return out;
}

std::string written(Type type, uint64_t value) {
  const char* unit = type == Type::Size ? "B" : type == Type::Duration ? "ms" : type == Type::Cpu ? "m" : "";
  return std::to_string(value) + unit;
}

void check_bounds(const Spot& place, const Shape& shape) {
  for (uint64_t good : {shape.bounds.min, shape.bounds.max}) {
    CHECK_FALSE(says(told(place.wrap(written(shape.type, good)), place.path), "out of bounds"));
  }
  CHECK(says(told(place.wrap(written(shape.type, shape.bounds.max + 1)), place.path), "out of bounds"));
  if (shape.bounds.min == 0) return;
  CHECK(says(told(place.wrap(written(shape.type, shape.bounds.min - 1)), place.path), "out of bounds"));
}

void check_words(const Spot& place, const Shape& shape) {
  std::string joined;
  for (std::string_view word : shape.words) {
    joined += (joined.empty() ? "" : ", ") + std::string(word);
    std::vector<Diagnostic> all = told(place.wrap(std::string(word)), place.path);
    CHECK_FALSE(says(all, "not known here"));
    CHECK_FALSE(says(all, "does not say"));
  }
  std::vector<Diagnostic> all = told(place.wrap("perhaps"), place.path);
  REQUIRE_FALSE(all.empty());
  if (says(all, "not known here")) CHECK_EQ(all.front().allowed, joined);
}

void check_text(const Spot& place, const Shape& shape) {
  const Pattern& pattern = shape.pattern;
  const std::string example(pattern.example);
  if (!pattern.regex.empty()) CHECK(std::regex_search(example, std::regex(std::string(pattern.regex))));
  CHECK_FALSE(says(told(place.wrap(in_quotes(example)), place.path), "is not"));
  if (pattern.rule == nullptr) return;
  CHECK_EQ(pattern.allowed, pattern.rule->allowed);
  if (pattern.rule->holds("?? ??")) return;
  std::vector<Diagnostic> all = told(place.wrap("\"?? ??\""), place.path);
  REQUIRE_FALSE(all.empty());
  CHECK_EQ(all.front().allowed, pattern.allowed);
}

std::string entries(const Shape& shape, uint64_t count) {
  std::string out = shape.type == Type::List ? "[" : "{";
  for (uint64_t i = 0; i < count; ++i) {
    if (shape.type == Type::Names) out += in_quotes(std::string(shape.pattern.example) + std::to_string(i)) + ": ";
    out += minimal(shape.of.front()) + ", ";
  }
  return out + (shape.type == Type::List ? "]" : "}");
}

void check_counts(const Spot& place, const Shape& shape) {
  auto speaks_of_count = [](const std::vector<Diagnostic>& all) {
    return says(all, "entries") || says(all, "rules") || says(all, "who approves") || says(all, "empty") || says(all, "nobody could connect");
  };
  CHECK_FALSE(speaks_of_count(told(place.wrap(entries(shape, shape.bounds.max)), place.path)));
  CHECK(speaks_of_count(told(place.wrap(entries(shape, shape.bounds.max + 1)), place.path)));
  if (shape.type == Type::List) {
    CHECK_EQ(speaks_of_count(told(place.wrap("[]"), place.path)), shape.bounds.min == 1);
  }
}

void check_shape(const Spot& place, const Shape& shape) {
  switch (shape.type) {
    case Type::Number:
    case Type::Size:
    case Type::Duration:
    case Type::Cpu: return check_bounds(place, shape);
    case Type::Flag:
    case Type::Word: return check_words(place, shape);
    case Type::Text: return check_text(place, shape);
    case Type::List:
    case Type::Names: return check_counts(place, shape);
    case Type::Map: return;
  }
}

}  // namespace

TEST_CASE("the table of fields and the parser know the same keys in every map of the language") {
  int maps = 0;
  TableVisitor visit{[&](const Spot& place, const std::vector<Shape>& forms) {
                  CAPTURE(place.path);
                  std::set<std::string_view> known, asked_by_parser;
                  bool is_free = false;
                  for (const Shape& shape : forms) {
                    is_free = is_free || shape.type == Type::Names;
                    for (const Field& field : shape.fields) known.insert(field.key);
                  }
                  for (const Shape& shape : forms) {
                    if (shape.type != Type::Map) continue;
                    ++maps;
                    const std::string extra = beside(place.kind, place.key, "");
                    auto all = told(place.wrap("{" + required_of(shape.fields) + extra + "zzzz: 1}"), child_path(place.path, "zzzz"));
                    REQUIRE_EQ(all.size(), 1u);
                    CHECK_EQ(all[0].message, "unknown key");
                    // Of the forms `acme` and `chain`, the parser names what it asked for on its way.
                    for (const Field& field : shape.fields) {
                      CHECK((", " + all[0].allowed + ", ").find(", " + std::string(field.key) + ", ") != std::string::npos);
                    }
                    if (forms.back().fields.data() == shape.fields.data()) CHECK_EQ(all[0].allowed, sorted_keys(known));
                  }
                  // Where the table knows no map, the parser takes none.
                  if (known.empty() && !is_free) CHECK_FALSE(told(place.wrap("{zzzz: 1}"), place.path).empty());
                },
                [](const Spot&, const Field&, const std::string&, const std::string&) {}};
  walk_language(visit);
  CHECK_GT(maps, 35);
}

TEST_CASE("the contract itself and each kind know the keys of the table, no other") {
  auto keys = [](const std::vector<Field>& fields, std::set<std::string_view> out) {
    for (const Field& field : fields) out.insert(field.key);
    return sorted_keys(out);
  };
  auto all = told("{name: a, zzzz: 1}", "zzzz");
  REQUIRE_EQ(all.size(), 1u);
  CHECK_EQ(all[0].allowed, keys(contract_fields(), {}));
  std::set<std::string_view> common;
  for (const Field& field : workload_fields()) common.insert(field.key);
  CHECK_EQ(kind_fields().size(), kinds().size());
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.name);
    const KindFields* fields = find_kind_fields(kind.name);
    REQUIRE(fields != nullptr);
    const std::string gateways = kind.name == "publish" ? ", at: gateways" : "";
    all = told("{name: a, workloads: {w: {kind: " + std::string(kind.name) + gateways + ", zzzz: 1}}}", "workloads.w.zzzz");
    REQUIRE_EQ(all.size(), 1u);
    CHECK_EQ(all[0].allowed, keys(fields->fields, common));
  }
}

TEST_CASE("words, bounds, counts and patterns of the table are the parser's, to the last one beyond") {
  int shapes = 0;
  TableVisitor visit{[&](const Spot& place, const std::vector<Shape>& forms) {
                  for (const Shape& shape : forms) {
                    CAPTURE(place.path);
                    CAPTURE(describe(shape));
                    ++shapes;
                    check_shape(place, shape);
                  }
                },
                [](const Spot&, const Field&, const std::string&, const std::string&) {}};
  walk_language(visit);
  CHECK_GT(shapes, 150);
}

TEST_CASE("a default of the table that is written out changes no signed byte") {
  int compared = 0;
  std::string paths;
  auto bytes = [](const std::string& yaml) {
    CompileContext with = fixture::context();
    with.secret_key = Bytes(32, 'k');
    return fixture::compiled(yaml, with);
  };
  TableVisitor visit{[](const Spot&, const std::vector<Shape>&) {},
                [&](const Spot& map, const Field& field, const std::string& without, const std::string& with) {
                  const std::string path = child_path(map.path, field.key);
                  CAPTURE(path);
                  ParseOutcome good = parse_contract(without, "x.yaml");
                  if (!good.contract) return;  // the map alone says nothing
                  paths += path + " ";
                  CAPTURE(with);
                  Compiled before = bytes(without), again = bytes(without), after = bytes(with);
                  if (before.body_bytes != again.body_bytes) return;  // sealed secrets differ each time
                  CHECK_EQ(to_hex(before.body_bytes), to_hex(after.body_bytes));
                  CHECK_EQ(to_hex(before.header_bytes), to_hex(after.header_bytes));
                  ++compared;
                }};
  walk_language(visit);
  for (std::string_view path : {"expires ", "parameters ", "include ", "fields ", "workloads.w.health.interval ", "workloads.w.timeouts.connect "}) {
    CHECK_NE(paths.find(path), std::string::npos);
  }
  CHECK_GT(compared, 50);
}

TEST_CASE("a pattern of the table takes every text that the parser's rule takes") {
  const std::vector<std::string> bits = {"",     "a",   "web",  "-",    "--",  ".",     "..",  "/",      "//",  "_",    ":",   "@",   "~",  "0",
                                         "9",    "Z",   " ",    "tcp",  "xn--", "oci:",  "fl:", "https:", "?",   "=",    "%",   "&",   "+",  ",",
                                         "\xc3\xbc", "BE",  "sha256:", "docker://", "docker-archive:", "example.org", "proc", "dev", "shm", "sys", "0123456789abcdef"};
  std::mt19937 random(11);
  std::map<std::string_view, std::pair<int, int>> held;  // texts the rule takes, of how many it was asked
  TableVisitor visit{[&](const Spot& place, const std::vector<Shape>& forms) {
                       for (const Shape& shape : forms) {
                         const Pattern& pattern = shape.pattern;
                         if (pattern.rule == nullptr || pattern.regex.empty() || held.contains(pattern.regex)) continue;
                         const std::regex regex{std::string(pattern.regex)};
                         auto& [good, all] = held[pattern.regex];
                         for (int i = 0; i < 4000; ++i) {
                           std::string text = random() % 3 == 0 ? std::string(pattern.example) : "";
                           for (uint32_t n = random() % 5; n > 0; --n) {
                             text.insert(text.empty() ? 0 : random() % (text.size() + 1), bits[random() % bits.size()]);
                           }
                           ++all;
                           if (!pattern.rule->holds(text)) continue;
                           ++good;
                           CAPTURE(place.path);
                           CAPTURE(text);
                           REQUIRE(std::regex_search(text, regex));
                         }
                       }
                     },
                     [](const Spot&, const Field&, const std::string&, const std::string&) {}};
  walk_language(visit);
  CHECK_GT(held.size(), 15u);
  for (const auto& [regex, counts] : held) {
    CAPTURE(regex);
    CHECK_GT(counts.first, 20);
  }
}

TEST_CASE("every field has one plain sentence, and says its default once") {
  std::function<void(const std::vector<Field>&)> look = [&](const std::vector<Field>& fields) {
    for (const Field& field : fields) {
      CAPTURE(field.key);
      CHECK(field.says.ends_with("."));
      CHECK_LT(field.says.size(), 130u);
      CHECK_FALSE((!field.fallback.empty() && !field.otherwise.empty()));
      CHECK_FALSE((field.required && (!field.fallback.empty() || !field.otherwise.empty())));
      for (const Shape& shape : field.forms) {
        look(shape.fields);
        for (const Shape& inner : shape.of) look(inner.fields);
      }
    }
  };
  look(contract_fields());
  look(workload_fields());
  for (const KindFields& kind : kind_fields()) look(kind.fields);
}
