#include "cli/program.h"

#include <doctest/doctest.h>

#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "io/file.h"
#include "testing/source_tree.h"

using namespace mcloud;
using namespace mcloud::cli;

namespace {

const Commands& commands() {
  static const ClusterMaker maker;
  static const Commands all = all_commands(maker);
  return all;
}

const Command& command(const std::string& path) {
  for (const Command& one : commands()) {
    if (one.path() == path) return one;
  }
  FAIL("no command " << path);
  return commands()[0];
}

std::string selected(const std::vector<std::string>& arguments) {
  Result<Selected> found = select(commands(), arguments);
  if (!found) return "error: " + found.error().message;
  return found->command == nullptr ? "" : found->command->path();
}

Error refused(const std::string& path, const std::vector<std::string>& arguments) {
  Globals globals;
  bool help = false;
  Status parsed = parse_parameters(command(path), arguments, globals, help);
  REQUIRE_FALSE(parsed.has_value());
  return parsed.error();
}

}  // namespace

TEST_CASE("every command has a summary without a full stop and an example that parses as that command") {
  for (const Command& one : commands()) {
    CAPTURE(one.path());
    CHECK_FALSE(one.summary().empty());
    CHECK_NE(one.summary().back(), '.');
    REQUIRE_FALSE(one.examples().empty());
    for (const std::string& example : one.examples()) {
      std::vector<std::string> words;
      for (size_t start = 0; start < example.size();) {
        size_t end = std::min(example.find(' ', start), example.size());
        words.push_back(example.substr(start, end - start));
        start = end + 1;
      }
      CHECK_EQ(words[0], "mcloud");
      auto pipe =
          std::find_if(words.begin(), words.end(), [](const std::string& word) { return word == ">" || word == "<" || word == "|"; });
      words.erase(pipe, words.end());
      words.erase(words.begin());
      CHECK_EQ(selected(words), one.path());
      Globals globals;
      bool help = false;
      Result<Selected> chosen = select(commands(), words);
      Status parsed = parse_parameters(*chosen->command, chosen->arguments, globals, help);
      CHECK_MESSAGE(parsed.has_value(), parsed.error().message);
    }
  }
}

TEST_CASE("the help of every command shows its example, its parameters and what all take") {
  for (const Command& one : commands()) {
    CAPTURE(one.path());
    std::string help = help_text(commands(), one.path());
    CHECK_NE(help.find(one.examples()[0]), std::string::npos);
    CHECK_NE(help.find("--json"), std::string::npos);
    for (const Parameter& parameter : one.parameters()) {
      CHECK_NE(help.find(parameter.name.substr(parameter.name.rfind(',') + 1)), std::string::npos);
      CHECK_FALSE(parameter.help.empty());
    }
  }
}

TEST_CASE("docs/reference/cli.md has every command with all its options, and no other") {
  std::string page = io::read_file(testing::source_tree() + "/docs/reference/cli.md", 1 << 20).value();
  auto section_of = [&](const std::string& path) {
    size_t start = page.find("\n### `mcloud " + path + "`");
    REQUIRE_MESSAGE(start != std::string::npos, "no section about mcloud " << path);
    return page.substr(start + 1, page.find("\n#", start + 2) - start - 1);
  };
  size_t known = 0;
  for (const Command& one : commands()) {
    if (one.is_hidden()) continue;
    CAPTURE(one.path());
    std::string section = section_of(one.path());
    CHECK_NE(section.find("JSON: "), std::string::npos);
    for (const Parameter& parameter : one.parameters()) {
      std::string name = parameter.name.substr(parameter.name.rfind(',') + 1);
      CHECK_MESSAGE(section.find(name) != std::string::npos, name);
    }
    known++;
  }
  size_t written = 0;
  for (size_t at = page.find("\n### `mcloud "); at != std::string::npos; at = page.find("\n### `mcloud ", at + 1))
    written++;
  CHECK_EQ(written, known);
}

TEST_CASE("the whole help lists every command's first word with what it is for") {
  std::string help = help_text(commands(), "");
  for (const Command& one : commands())
    CHECK_NE(one.is_hidden(), help.find("\n  " + one.path().substr(0, one.path().find(' ')) + " ") != std::string::npos);
  for (size_t start = help.find("Commands:\n") + 10; help[start] != '\n'; start = help.find('\n', start) + 1) {
    std::string line = help.substr(start, help.find('\n', start) - start);
    CHECK_MESSAGE(line.find_last_not_of(' ') > 20, line);
  }
  CHECK_NE(help_text(commands(), "cluster").find("add-node"), std::string::npos);
  CHECK_EQ(help_text(commands(), "frobnicate"), "");
}

TEST_CASE("a command's words are found between options") {
  CHECK_EQ(selected({"cluster", "up", "--nodes", "3"}), "cluster up");
  CHECK_EQ(selected({"--json", "--cluster", "status", "nodes"}), "nodes");
  CHECK_EQ(selected({"status", "nodes"}), "status");  // a contract may have a command's name
  CHECK_EQ(selected({}), "");
  CHECK_EQ(selected({"cluster"}), "");
  CHECK_EQ(selected({"--help"}), "");
}

TEST_CASE("a wrong command is answered with the nearest one") {
  CHECK_NE(selected({"stauts"}).find("did you mean \"status\"?"), std::string::npos);
  CHECK_NE(selected({"cluster", "dwon"}).find("did you mean \"cluster down\"?"), std::string::npos);
  CHECK_NE(selected({"key", "lst"}).find("did you mean \"key list\"?"), std::string::npos);
  CHECK_EQ(select(commands(), {"stauts"}).error().code, Code::Invalid);
  CHECK_NE(selected({"kill", "n1"}).find("did you mean \"cluster kill\"? See: mcloud --help"), std::string::npos);
}

TEST_CASE("wrong, missing and superfluous parameters are named, with the nearest option") {
  CHECK_NE(refused("cluster up", {"--nodse", "3"}).message.find("did you mean \"--nodes\"?"), std::string::npos);
  CHECK_EQ(refused("apply", {}).message, "FILE is missing; see: mcloud apply --help");
  CHECK_EQ(refused("apply", {"a", "--timeout"}).message, "--timeout needs a value; see: mcloud apply --help");
  CHECK_NE(refused("status", {"--key", "a", "--key", "b"}).message.find("--key is given more than once"),
           std::string::npos);
  CHECK_NE(refused("cluster up", {"--nodes", "-1"}).message.find("a whole number is needed, not \"-1\""),
           std::string::npos);
  CHECK_NE(refused("apply", {"a", "b"}).message.find("\"b\" is one argument too many"), std::string::npos);
  CHECK_NE(refused("cluster up", {"--nodes", "many"}).message.find("--nodes"), std::string::npos);
  CHECK_NE(refused("key new", {"ida", "--no-pasphrase"}).message.find("--no-passphrase"), std::string::npos);
  for (const char* path : {"apply", "cluster up"}) CHECK_EQ(refused(path, {"--frob"}).code, Code::Invalid);
}

TEST_CASE("what every command takes may stand anywhere") {
  Globals globals;
  bool help = false;
  REQUIRE(parse_parameters(command("status"), {"--json", "hello", "--cluster", "/tmp/c", "--key", "ida"}, globals, help)
              .has_value());
  CHECK(globals.json);
  CHECK_EQ(globals.cluster, "/tmp/c");
  CHECK_EQ(globals.key, "ida");
  CHECK_FALSE(help);
  REQUIRE(parse_parameters(command("status"), {"--help"}, globals, help).has_value());
  CHECK(help);
}

TEST_CASE("each class of error has its exit status") {
  CHECK_EQ(exit_status(Code::Internal), 1);
  CHECK_EQ(exit_status(Code::Invalid), 2);
  CHECK_EQ(exit_status(Code::NotFound), 3);
  CHECK_EQ(exit_status(Code::Denied), 4);
  CHECK_EQ(exit_status(Code::Conflict), 5);
  CHECK_EQ(exit_status(Code::AlreadyExists), 5);
  CHECK_EQ(exit_status(Code::Unavailable), 6);
  CHECK_EQ(exit_status(Code::TimedOut), 6);
  CHECK_EQ(exit_status(Code::Exhausted), 7);
  CHECK_EQ(exit_status(Code::Corrupt), 8);
  CHECK_EQ(exit_status(Code::Unsupported), 9);
  CHECK_EQ(exit_status(Code::Cancelled), 130);
}

TEST_CASE("farms are names with countries") {
  std::vector<FarmSpec> farms = FarmSpec::parse_list("barn:CH,shed:BE,loft").value();
  REQUIRE_EQ(farms.size(), 3);
  CHECK_EQ(farms[1].name, "shed");
  CHECK_EQ(farms[1].country, "BE");
  CHECK_EQ(farms[2].country, "CH");
  CHECK_EQ(FarmSpec::parse_list("2")->size(), 2);
  for (const char* text : {"", "0", "Barn", "barn:CHE", "barn:", ",", "a"})
    CHECK_FALSE(FarmSpec::parse_list(text).has_value());
}

TEST_CASE("help is for people: a script that names no command gets an error") {
  char* text = nullptr;
  size_t size = 0;
  FILE* caught = open_memstream(&text, &size);
  std::swap(stdout, caught);
  int plain = run_program(commands(), {"cluster"}), script = run_program(commands(), {"cluster", "--json"});
  int unknown = run_program(commands(), {"--frob", "--json"}), cut = run_program(commands(), {"--json", "--cluster"});
  int help = run_program(commands(), {"help", "cluster", "up"}), version = run_program(commands(), {"version"});
  std::swap(stdout, caught);
  fclose(caught);
  std::string shown(text, size);
  free(text);
  CHECK_EQ(plain, 0);
  CHECK_EQ(help, 0);
  CHECK_EQ(version, 0);
  for (int status : {script, unknown, cut}) CHECK_EQ(status, kExitInvalid);
  CHECK_NE(shown.find("which command?"), std::string::npos);
  CHECK_NE(shown.find("there is no option --frob"), std::string::npos);
  CHECK_NE(shown.find("--cluster needs a value"), std::string::npos);
  CHECK_NE(shown.find("Usage: mcloud cluster up"), std::string::npos);
}
