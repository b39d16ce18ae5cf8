#include "contract/format/format.h"

#include <doctest/doctest.h>

#include <random>

#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;

namespace {

std::string formatted(std::string_view yaml) {
  Result<std::string> out = format_contract(yaml);
  REQUIRE_MESSAGE(out.has_value(), out.error().message);
  return *out;
}

// Every contract that is shown to be right: of the tests, the reference, the recipes.
std::vector<std::string> good_files() {
  std::vector<std::string> out = {std::string(fixture::kEverything), std::string(fixture::kReach)};
  const std::filesystem::path tree = testing::source_tree();
  const std::string page = fixture::read_text(tree / "docs/reference/contract.md");
  for (size_t at = page.find("```yaml\nname:"); at != std::string::npos; at = page.find("```yaml\nname:", at + 1)) {
    out.push_back(page.substr(at + 8, page.find("```", at + 8) - at - 8));
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree / "recipes")) {
    if (entry.path().filename() == "contract.yaml") out.push_back(fixture::read_text(entry.path()));
  }
  for (const auto& entry : std::filesystem::directory_iterator(fixture::testdata() / "good")) {
    if (entry.path().extension() == ".yaml") out.push_back(fixture::read_text(entry.path()));
  }
  return out;
}

// Signed bytes, without what is random in each compilation.
std::string signed_text(std::string_view yaml) {
  ParseOutcome outcome = parse_contract(yaml, "x.yaml");
  if (!outcome.contract) return format_diagnostics(outcome.diagnostics);
  fixture::KnowsAll resolver;
  CompileContext with = fixture::context();
  with.secret_key = Bytes(32, 'k');
  CompileOutcome made = compile(*outcome.contract, with, resolver);
  if (!made.compiled) return format_diagnostics(made.diagnostics);
  // Sealed again with the boxes of the first: equal values keep theirs.
  static std::map<std::string, pb::ContractBody> first;
  auto [at, is_new] = first.emplace(outcome.contract->name.value, made.compiled->body);
  with.previous_body = &at->second;
  made = compile(*outcome.contract, with, resolver);
  return to_hex(made.compiled->header_bytes) + to_hex(made.compiled->body_bytes);
}

std::string lines_shuffled_comments(const std::string& yaml, std::mt19937& random) {
  std::string out;
  int number = 0;
  for (size_t at = 0; at < yaml.size();) {
    size_t end = std::min(yaml.find('\n', at), yaml.size());
    std::string line = yaml.substr(at, end - at);
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    if (random() % 4 == 0) out += std::string(indent, ' ') + "# own " + std::to_string(number++) + "\n";
    if (random() % 6 == 0) out += "\n";
    if (random() % 4 == 0 && !line.empty()) line += "  # beside " + std::to_string(number++) + " \"quoted' {";
    out += line + "\n";
    at = end + 1;
  }
  return out;
}

}  // namespace

TEST_CASE("formatting changes no signed byte, and twice changes nothing more") {
  std::vector<std::string> files = good_files();
  CHECK_GT(files.size(), 8u);
  for (const std::string& yaml : files) {
    CAPTURE(yaml);
    const std::string once = formatted(yaml);
    CAPTURE(once);
    CHECK_EQ(formatted(once), once);
    CHECK_EQ(signed_text(once), signed_text(yaml));
  }
}

TEST_CASE("comments anywhere are all kept, and formatting stays idempotent") {
  std::mt19937 random(7);
  for (const std::string& yaml : good_files()) {
    for (int round = 0; round < 20; ++round) {
      const std::string with = lines_shuffled_comments(yaml, random);
      CAPTURE(with);
      const std::string once = formatted(with);
      CAPTURE(once);
      CHECK_EQ(std::ranges::count(once, '#'), std::ranges::count(with, '#'));
      CHECK_EQ(formatted(once), once);
      CHECK_EQ(signed_text(once), signed_text(yaml));
    }
  }
}

TEST_CASE("keys come in the order of the language, amounts in their usual units, small maps on one line") {
  CHECK_EQ(formatted(R"(# yaml-language-server: $schema=contract.schema.json

# what runs
workloads:
    web:
        resources: {memory: 1024MiB, cpu: "0.5"}   # enough
        # from the build
        image: 'oci:./web'
        kind: container
        environment: {ZED: "yes", "A": "plain", N: '5'}
        read_only: "true"
        command: ["sh", "-c", "echo: a # b"]


        stop_grace: 60s
    data: {size: 2048MiB, kind: volume}
expires: 24h
name: shop
# the end
)"),
           R"(# yaml-language-server: $schema=contract.schema.json

# what runs
name: shop
expires: 1d
workloads:
  web:
    kind: container
    # from the build
    image: oci:./web
    resources: {cpu: 500m, memory: 1GiB}  # enough
    command: [sh, -c, "echo: a # b"]
    environment: {ZED: "yes", A: plain, N: "5"}
    read_only: true

    stop_grace: 1m
  data: {kind: volume, size: 2GiB}

# the end
)");
}

TEST_CASE("long lists and maps, lists in lists, texts of several lines and strange keys survive") {
  for (std::string_view yaml : std::initializer_list<std::string_view>{
           "name: x\nworkloads:\n  w:\n    kind: container\n    image: oci:./i\n    command:\n      - sh\n      - -c\n      - |\n        set -e\n\n        # no comment\n          echo \"a\"\n",
           "name: x\nw: [[1, 2], [{a: b, c: [d, e]}, []], {}, null, ~, '']\n",
           "a:\n- # why\n  b: 1 # one\n  c: 2\n- d\n",
           "a:\n  - |-\n    one\n    two\n  - >\n    folded\n    text\n  # foot of the list\nb: |+\n  keep\n\nc: 1\n",
           "\"a: b\": 1\n'#c': 2\n\"-\": 3\n\"\": 4\n? d\n: 5\n",
           "ü: {ö: \"x # y\", 'z # z': 'it''s # not'} # yes\n",
           "a: b # c\r\nd: \"e\r\n  f # g\"\r\n", "a: x\n  'y # z\n", "a: 'one\n\n  # two'\nb: 1 # three\n",
           "a: \"x\\\n  # y\"\n", "--- # head\na: 1\n...\n", "a: |\n  # b\n # c\nd: 1\n", "a: |\nb: 1 # c\n"}) {
    CAPTURE(yaml);
    Result<std::string> once = format_contract(yaml);
    if (!once) {
      CHECK_NE(once.error().message.find("nothing was changed"), std::string::npos);
      continue;
    }
    CAPTURE(*once);
    CHECK_EQ(formatted(*once), *once);
  }
}

TEST_CASE("whatever stands in a file, its form is its own, or it is refused") {
  std::mt19937 random(3);
  const std::string marks = "#'\"|>-:{}[], \n\n  !&*%?~ab1";
  int kept = 0;
  for (const std::string& yaml : good_files()) {
    for (int round = 0; round < 150; ++round) {
      std::string text = yaml.substr(0, 1500);
      for (int n = 0; n < 3; ++n) text.insert(random() % (text.size() + 1), 1, marks[random() % marks.size()]);
      if (random() % 2 == 0) text.erase(random() % text.size(), random() % 30);
      Result<std::string> once = format_contract(text);
      if (!once) continue;
      ++kept;
      CAPTURE(text);
      CAPTURE(*once);
      Result<std::string> twice = format_contract(*once);
      REQUIRE_MESSAGE(twice.has_value(), twice.error().message);
      REQUIRE_EQ(*twice, *once);
    }
  }
  CHECK_GT(kept, 100);
}

TEST_CASE("what cannot be kept is refused with its place, never lost") {
  for (const auto& [yaml, said] : std::initializer_list<std::pair<const char*, const char*>>{
           {"a: !!str 5\n", "1:1: a tag cannot be kept"},
           {"%YAML 1.2\n---\na: 1\n", "1:1: a directive cannot be kept"},
           {"a: |2\n    b\n", "1:1: an indentation mark cannot be kept"},
           {"a: &x 1\n", "anchors"},
           {"a: [\n", ":"},
           {"", "not a map"},
           {"- a\n", "not a map"}}) {
    CAPTURE(yaml);
    Result<std::string> out = format_contract(yaml);
    REQUIRE_FALSE(out.has_value());
    CHECK_NE(out.error().message.find(said), std::string::npos);
  }
}

TEST_CASE("a comment that moves out of an empty value does not let the form change twice") {
  std::string once = formatted("name: x\nlist:\n  - - #\n  - |\n    # text\n");
  CHECK_EQ(formatted(once), once);
  CHECK_NE(once.find('#'), std::string::npos);
}
