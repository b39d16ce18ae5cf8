#include "contract/parse.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "contract/syntax.h"
#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

TEST_CASE("every mistake of a file is named with its place, what is allowed and the nearest spelling") {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(testdata() / "bad")) {
    if (entry.path().extension() == ".yaml") files.insert(entry.path());
  }
  REQUIRE_FALSE(files.empty());
  for (const std::filesystem::path& file : files) {
    CAPTURE(file.filename().string());
    ParseOutcome outcome = parse_contract(read_text(file), file.filename().string());
    CHECK_FALSE(outcome.contract);
    std::string now = format_diagnostics(outcome.diagnostics);
    std::filesystem::path expected = file;
    CHECK_EQ(now, golden(expected.replace_extension(".expected"), now));
  }
}

TEST_CASE("a good file reads without complaint") {
  Contract contract = parsed(kEverything);
  CHECK_EQ(contract.name.value, "everything");
  CHECK_EQ(contract.workloads.size(), 14u);
  const Container* web = contract.find_as<Container>("web");
  REQUIRE(web != nullptr);
  CHECK_EQ(web->replicas.value, 4u);
  CHECK_EQ(*web->resources.cpu_milli, 500u);
  CHECK_EQ(contract.find_as<Volume>("web"), nullptr);
}

TEST_CASE("a contract comes out exactly when nothing is wrong") {
  for (std::string_view yaml : {"", "[]", "name: x", "a: b: c", "workloads: {}", "\xff"}) {
    CAPTURE(yaml);
    ParseOutcome outcome = parse_contract(yaml, "x.yaml");
    CHECK_FALSE(outcome.contract);
    CHECK_FALSE(outcome.diagnostics.empty());
  }
}

TEST_CASE("a thousand mistakes are told as a hundred and a number") {
  std::string yaml = "name: x\nworkloads: {web: {kind: container, image: \"oci:./i\"}}\n";
  for (int i = 0; i < 1000; ++i) yaml += "wrong" + std::to_string(i) + ": 1\n";
  ParseOutcome outcome = parse_contract(yaml, "x.yaml");
  REQUIRE_EQ(outcome.diagnostics.size(), Report::kDiagnosticsMax + 1);
  CHECK_EQ(outcome.diagnostics.back().message, "900 more errors follow");
}

TEST_CASE("whatever a file says, every line about it is short and UTF-8") {
  std::string wide;
  for (int i = 0; i < 5000; ++i) wide += "ü";
  for (const std::string& yaml : {"name: " + wide, wide + ": 1", "name: x\nworkloads: {" + wide + ": {kind: " + wide + "}}",
                                  "name: x\nworkloads: {p: {kind: publish, port: 1, to: \"" + wide + ":" + wide + "\"}}",
                                  "name: x\nworkloads: {w: {kind: container, image: \"oci:./i\", command: " + wide + "}}"}) {
    ParseOutcome outcome = parse_contract(yaml, "x.yaml");
    CHECK_FALSE(outcome.diagnostics.empty());
    for (const Diagnostic& diagnostic : outcome.diagnostics) {
      std::string line = format_diagnostic(diagnostic);
      CHECK_LT(line.size(), 2000u);
      // A character cut in two would leave a lead byte before something else.
      for (size_t at = line.find('\xc3'); at != std::string::npos; at = line.find('\xc3', at + 1)) {
        REQUIRE_EQ(static_cast<unsigned char>(line[at + 1]) & 0xc0, 0x80);
      }
    }
  }
}

TEST_CASE("a secret in the wrong form is not repeated in the message") {
  ParseOutcome outcome = parse_contract(
      "name: x\nworkloads: {web: {kind: container, image: \"oci:./i\", environment: {A: {secret: hunter2}}}}\n", "x.yaml");
  CHECK_EQ(format_diagnostics(outcome.diagnostics).find("hunter2"), std::string::npos);
  CHECK_EQ(outcome.diagnostics.size(), 1u);
}

TEST_CASE("every key of the language has a spelling mistake that is put right") {
  for (std::string_view key : {"replicas", "resources", "environment", "secret_files", "mounts", "ports", "health",
                               "restart", "placement", "on_node_loss", "update", "networks", "read_only"}) {
    std::string slip(key);
    std::swap(slip[1], slip[2]);
    if (slip == key) slip.erase(1, 1);
    CAPTURE(slip);
    ParseOutcome outcome = parse_contract(
        "name: x\nworkloads: {web: {kind: container, image: \"oci:./i\", " + slip + ": 1}}\n", "x.yaml");
    REQUIRE_EQ(outcome.diagnostics.size(), 1u);
    CHECK_EQ(outcome.diagnostics[0].suggestion, key);
  }
}

TEST_CASE("the distance of two spellings counts slips of the finger") {
  CHECK_EQ(spelling_distance("replicas", "replicas"), 0u);
  CHECK_EQ(spelling_distance("repliacs", "replicas"), 1u);
  CHECK_EQ(spelling_distance("replica", "replicas"), 1u);
  CHECK_EQ(spelling_distance("rfplicas", "replicas"), 1u);
  CHECK_EQ(spelling_distance("", "abc"), 3u);
  CHECK_GT(spelling_distance(std::string(100, 'a'), "a"), 64u);
  CHECK_EQ(nearest_spelling("zzzzzz", std::vector<std::string>{"replicas"}), "");
}

TEST_CASE("ranges are strict") {
  CHECK_EQ(parse_range("10.7.0.0/16").value().text(), "10.7.0.0/16");
  CHECK_EQ(replicas_that_fit(parse_range("10.7.0.0/28").value()), 13u);
  CHECK(parse_range("10.0.0.0/8").value().overlaps(parse_range("10.7.0.0/16").value()));
  CHECK_FALSE(parse_range("10.8.0.0/16").value().overlaps(parse_range("10.7.0.0/16").value()));
  for (const char* text : {"", "10.7.0.0", "10.7.0.0/7", "10.7.0.0/29", "10.7.0.1/16", "010.7.0.0/16", "10.7.0/16", "10.7.0.0/016",
                           "10.7.0.0.0/16", "10.7.0.256/16", "8.8.8.0/24", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/8",
                           "10.7.0.0/16 ", " 10.7.0.0/16", "-1.7.0.0/16", "172.32.0.0/16", "0.0.0.0/8"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_range(text).has_value());
  }
}

TEST_CASE("paths in a container are absolute, normal and not in the kernel's folders") {
  for (const char* path : {"/data", "/a/b.c/d-e", "/dev/shm", "/dev/shm/x", "/device", "/process"}) {
    CAPTURE(path);
    CHECK(kContainerPathRule.holds(path));
  }
  for (const char* path : {"", "/", "data", "/a/", "//a", "/a//b", "/a/../b", "/..", "/.", "/a/.", "/proc", "/proc/1", "/sys/x", "/dev",
                           "/dev/null", "/a\nb", "/a\tb"}) {
    CAPTURE(path);
    CHECK_FALSE(kContainerPathRule.holds(path));
  }
}
