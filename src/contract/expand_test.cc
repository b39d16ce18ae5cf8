#include "contract/expand.h"

#include <doctest/doctest.h>

#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;

namespace {

using Files = std::map<std::string, std::string>;

ParseOutcome with_files(std::string_view yaml, const Files& files) {
  Surroundings around;
  around.read_fragment = [&](const std::string& path) -> Result<std::string> {
    auto found = files.find(path);
    if (found == files.end()) return make_error(Code::NotFound, "no such file");
    return found->second;
  };
  return parse_contract(yaml, "shop/contract.yaml", around);
}

std::string said(std::string_view yaml, const Files& files) { return format_diagnostics(with_files(yaml, files).diagnostics); }

constexpr std::string_view kWeb = "workloads:\n  web: {kind: container, image: \"oci:./web\", use: [careful, small]}\n";
constexpr std::string_view kSets =
    "fields:\n  careful: {on_node_loss: wait, update: {max_unavailable: 1, healthy_after: 5s}}\n"
    "  small: {resources: {memory: 64MiB}}\n";

std::string including(std::string_view what) { return "name: shop\ninclude: " + std::string(what) + "\n"; }

}  // namespace

TEST_CASE("a file with fragments and sets of fields is signed as if it had been written out") {
  ParseOutcome joined = with_files(including("[common/sets.yaml, web.yaml]") + "workloads: {data: {kind: kv, size: 64MiB}}\n",
                                   {{"common/sets.yaml", std::string(kSets)}, {"web.yaml", std::string(kWeb)}});
  REQUIRE_MESSAGE(joined.contract.has_value(), format_diagnostics(joined.diagnostics));
  Contract plain = fixture::parsed(
      "name: shop\nworkloads:\n  data: {kind: kv, size: 64MiB}\n  web: {kind: container, image: \"oci:./web\", on_node_loss: wait, "
      "update: {max_unavailable: 1, healthy_after: 5s}, resources: {memory: 64MiB}}\n");
  fixture::KnowsAll resolver;
  CompileOutcome one = compile(*joined.contract, fixture::context(), resolver), two = compile(plain, fixture::context(), resolver);
  REQUIRE(one.compiled);
  CHECK_EQ(one.compiled->header_bytes + one.compiled->body_bytes, two.compiled->header_bytes + two.compiled->body_bytes);
}

TEST_CASE("fragments include fragments beside themselves; what two of them need is there once") {
  const Files files = {{"a/one.yaml", "include: sets.yaml\n" + std::string(kWeb)},
                       {"a/sets.yaml", std::string(kSets)},
                       {"b.yaml", "include: [a/sets.yaml, a/one.yaml]\n"}};
  CHECK_EQ(said(including("[a/one.yaml, b.yaml, a/sets.yaml]"), files), "");
}

TEST_CASE("a circle of fragments is refused with its way") {
  const Files files = {{"a.yaml", "include: sub/b.yaml"}, {"sub/b.yaml", "include: c.yaml"}, {"sub/c.yaml", "include: b.yaml"},
                       {"self.yaml", "include: contract.yaml"}};
  CHECK_EQ(said(including("a.yaml") + "workloads: {}\n", files),
           "shop/sub/c.yaml:1:10: include: goes round in a circle: sub/b.yaml -> sub/c.yaml -> sub/b.yaml\n");
  CHECK_EQ(said(including("self.yaml") + "workloads: {}\n", files),
           "shop/self.yaml:1:10: include: goes round in a circle: contract.yaml -> self.yaml -> contract.yaml\n");
}

TEST_CASE("fragments lie below the contract, and number, depth and size are bounded") {
  for (const char* path : {"../a.yaml", "/etc/passwd", "a/../../b.yaml", "./a.yaml", "a//b.yaml", "", "a/", "http://host/x", "a\\b"}) {
    CAPTURE(path);
    CHECK_FALSE(said(including("[\"" + std::string(path) + "\"]") + "workloads: {}\n", {}).find("allowed: a path below") == std::string::npos);
  }
  Files files;
  for (int i = 0; i < 20; ++i) files["d" + std::to_string(i) + ".yaml"] = "include: d" + std::to_string(i + 1) + ".yaml\n";
  CHECK_NE(said(including("d0.yaml"), files).find("a fragment of a fragment too often; allowed: up to 4 levels"), std::string::npos);
  files.clear();
  std::string list;
  for (int i = 0; i < 16; ++i) {
    files["w" + std::to_string(i) + ".yaml"] = i == 0 ? "include: [x.yaml]\n" : "";
    list += "w" + std::to_string(i) + ".yaml, ";
  }
  files["x.yaml"] = "";
  CHECK_NE(said(including("[" + list + "]"), files).find("too many fragments; allowed: up to 16"), std::string::npos);
  const std::string large = "# " + std::string(700'000, 'x') + "\n";
  CHECK_NE(said(including("[a.yaml, b.yaml]"), {{"a.yaml", large}, {"b.yaml", large}}).find("the fragments are too large"), std::string::npos);
}

TEST_CASE("what two files give is a conflict that names both") {
  const Files files = {{"web.yaml", std::string(kWeb)}, {"sets.yaml", std::string(kSets)}};
  CHECK_EQ(said(including("[web.yaml, sets.yaml]") + "workloads: {web: {kind: volume, size: 1GiB}}\n", files),
           "shop/web.yaml:2:3: workloads.web: stands in shop/contract.yaml:3:13 as well; allowed: one of the two\n");
  CHECK_NE(said(including("[sets.yaml]") + "fields: {small: {}}\nworkloads: {}\n", files).find("fields.small: stands in shop/contract.yaml:3:17 as well"),
           std::string::npos);
  CHECK_EQ(said("name: x\nfields: {s: {replicas: 2}}\nworkloads:\n  w: {kind: container, image: \"oci:./i\", replicas: 3, use: s}\n", {}),
           "shop/contract.yaml:4:60: workloads.w.replicas: is given by \"s\" (shop/contract.yaml:2:14) and by "
           "shop/contract.yaml:4:42; allowed: one of the two\n");
  CHECK_NE(said("name: x\nfields: {smal: {}}\nworkloads: {w: {kind: volume, size: 1GiB, use: small}}\n", {}).find("did you mean \"smal\""),
           std::string::npos);
  CHECK_NE(said("name: x\nfields: {a: {use: b}, b: 1}\nworkloads: {w: {kind: volume, size: 1GiB}}\n", {}).find("a set uses no other"),
           std::string::npos);
}

TEST_CASE("what is wrong in a fragment is told with the fragment's name and place") {
  CHECK_EQ(said(including("web.yaml"), {{"web.yaml", "workloads:\n  web: {kind: container, image: \"oci:./i\", replica: 2}\n"}}).substr(0, 61),
           "shop/web.yaml:2:44: workloads.web.replica: unknown key; allow");
  CHECK_EQ(said(including("web.yaml"), {{"web.yaml", "name: x\n"}}),
           "shop/web.yaml:1:1: name: unknown key; allowed: fields, include, workloads\n");
  CHECK_NE(said(including("web.yaml"), {{"web.yaml", "a: [\n"}}).find("shop/web.yaml:"), std::string::npos);
  CHECK_NE(said(including("web.yaml"), {{"web.yaml", "[]"}}).find("is a list, not a map of fields"), std::string::npos);
  CHECK_NE(said(including("web.yaml"), {}).find("shop/contract.yaml:2:10: include: \"web.yaml\": no such file"), std::string::npos);
  CHECK_NE(format_diagnostics(parse_contract(including("web.yaml"), "x.yaml").diagnostics).find("fragments cannot be read here"), std::string::npos);
}

TEST_CASE("what only compiling finds out is told with the fragment's name too") {
  ParseOutcome joined = with_files(including("web.yaml"), {{"web.yaml", "workloads: {web: {kind: container, image: \"oci:./missing\"}}\n"}});
  REQUIRE(joined.contract);
  fixture::KnowsAll resolver;
  CompileOutcome made = compile(*joined.contract, fixture::context(), resolver);
  CHECK_EQ(format_diagnostics(made.diagnostics),
           "shop/web.yaml:1:43: workloads.web.image: there is no OCI layout in ./missing\n");
}

TEST_CASE("parameters of the contract stand in its fragments too") {
  const Files files = {{"web.yaml", "workloads: {web: {kind: container, image: \"oci:./i\", replicas: \"${n}\", environment: {A: \"$${n}\"}}}\n"}};
  ParseOutcome with = with_files(including("web.yaml") + "parameters: {n: {type: number, default: 4}}\n", files);
  REQUIRE_MESSAGE(with.contract.has_value(), format_diagnostics(with.diagnostics));
  CHECK_EQ(with.contract->find_as<Container>("web")->replicas.value, 4u);
  CHECK_EQ(with.contract->find_as<Container>("web")->environment[0].value, "${n}");
}

TEST_CASE("a contract that includes nothing and has no workloads is told so") {
  CHECK_NE(said("name: x\n", {}).find("workloads: is missing"), std::string::npos);
  CHECK_NE(said(including("a.yaml"), {{"a.yaml", ""}}).find("workloads: is missing"), std::string::npos);
}

TEST_CASE("a large set that many workloads use does not grow beyond all bounds") {
  std::string yaml = "name: shop\nfields: {large: {environment: {A: \"" + std::string(30'000, 'x') + "\"}}}\nworkloads:\n";
  for (int i = 0; i < 200; ++i) yaml += "  w" + std::to_string(i) + ": {kind: container, image: \"oci:./web\", use: large}\n";
  std::string why = said(yaml, {});
  CHECK_NE(why.find("with this set the file becomes too large"), std::string::npos);
  CHECK_EQ(why.find("becomes too large"), why.rfind("becomes too large"));  // once
}
