#include "cli/completion.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <regex>

#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/manual.h"

using namespace mcloud;
using namespace mcloud::cli;

namespace {

const Commands& commands() {
  static const ClusterMaker maker;
  static const Commands all = all_commands(maker);
  return all;
}

Completion completed(const std::vector<std::string>& words) {
  return complete(commands(), words, [](const std::string& kind) -> std::vector<std::string> {
    if (kind == "NODE") return {"n1", "n2", "other"};
    if (kind == "CONTRACT") return {"hello", "shop"};
    return {};
  });
}

std::vector<std::string> texts(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const Completion::Word& word : completed(words).words) out.push_back(word.text);
  std::sort(out.begin(), out.end());
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("commands and groups are completed, with their sentence, and hidden ones are not") {
  CHECK_EQ(texts({"dra"}), Texts{"drain"});
  CHECK_EQ(texts({"farm", ""}), Texts{"list", "new"});
  CHECK_EQ(texts({"ledger", ""}), Texts{"backup", "verify"});
  CHECK_EQ(texts({"comp"}), Texts{"completion"});
  CHECK(texts({"nonsense", ""}).empty());
  CHECK_FALSE(completed({"dra"}).words[0].help.empty());
  Texts first = texts({""});
  CHECK(std::ranges::find(first, "apply") != first.end());
}

TEST_CASE("options are completed behind their command, and their values are what they wait for") {
  CHECK_EQ(texts({"audit", "--sin"}), Texts{"--since"});
  CHECK_EQ(texts({"audit", "--jso"}), Texts{"--json"});
  CHECK_EQ(texts({"audit", "--node", "n"}), Texts{"n1", "n2"});
  CHECK_EQ(completed({"audit", "--export", ""}).kind, Completion::Kind::Files);
  CHECK_EQ(completed({"ledger", "verify", "--data", ""}).kind, Completion::Kind::Folders);
  CHECK_EQ(completed({"--cluster", ""}).kind, Completion::Kind::Folders);
  CHECK_EQ(texts({"--cluster", "/x", "dra"}), Texts{"drain"});
}

TEST_CASE("arguments are names of what they are about, or files") {
  CHECK_EQ(texts({"drain", ""}), Texts{"n1", "n2", "other"});
  CHECK_EQ(texts({"drain", "o"}), Texts{"other"});
  CHECK(texts({"drain", "n1", ""}).empty());  // it takes one
  CHECK_EQ(completed({"apply", ""}).kind, Completion::Kind::Files);
  Texts audit = texts({"audit", ""});  // a contract, or its own sub-command
  CHECK_EQ(audit, Texts{"hello", "shop", "verify"});
}

TEST_CASE("there is a script for each of three shells") {
  for (const char* shell : {"bash", "zsh", "fish"}) CHECK_NE(completion_script(shell).value().find("mcloud complete "), std::string::npos);
  CHECK_EQ(completion_script("csh").error().code, Code::NotFound);
}

TEST_CASE("the manual has every command that people type, and no line of text is taken for a request") {
  std::string page = manual_page(commands(), "1.2");
  for (const Command& command : commands()) {
    std::string path = std::regex_replace(command.path(), std::regex("-"), "\\-");
    bool is_there = page.find("mcloud " + path + "\\fR") != std::string::npos;
    CHECK_MESSAGE(is_there != command.is_hidden(), command.path());
  }
  for (size_t at = page.find("\n."); at != std::string::npos; at = page.find("\n.", at + 1)) {
    std::string request = page.substr(at + 2, 2);
    CHECK_MESSAGE((request == "SH" || request == "SS" || request == "TP" || request == "PP" || request == "nf" || request == "fi"), request);
  }
}
