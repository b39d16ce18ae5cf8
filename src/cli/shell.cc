// mcloud completion | complete | man
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/desk.h"
#include "cli/manual.h"
#include "cli/program.h"

namespace mcloud::cli {
namespace {

constexpr uint64_t kPatienceMs = 800;  // a shell waits for us at every press of the tab key

std::vector<std::string> ledger_names(bot::LedgerView& view, const std::string& kind) {
  std::vector<std::string> names;
  if (kind == "NODE") {
    if (auto nodes = view.nodes()) {
      for (const pb::Node& node : *nodes) names.push_back(node.name());
    }
  } else if (kind == "WHO") {
    if (auto people = view.identities()) {
      for (const pb::Identity& identity : *people) names.push_back(identity.name());
    }
  } else if (kind == "FARM") {
    if (auto farms = view.farms()) {
      for (const pb::Farm& farm : *farms) names.push_back(farm.name());
    }
  } else if (kind == "CONTRACT" || kind.starts_with("CONTRACT/")) {
    if (auto contracts = view.contracts()) {
      for (const pb::Contract& contract : *contracts) {
        if (bot::is_live(contract)) names.push_back(contract.name());
      }
    }
  }
  return names;
}

std::vector<std::string> key_names(Desk& desk) {
  std::vector<std::string> names;
  if (auto keys = desk.wallet().list()) {
    for (const wallet::KeyInfo& key : *keys) names.push_back(key.name);
  }
  return names;
}

std::vector<std::string> names_of(Desk& desk, const std::string& kind) {
  if (kind == "NAME" || kind == "KEY") return key_names(desk);
  bool is_on_ledger = kind == "NODE" || kind == "WHO" || kind == "FARM" || kind.starts_with("CONTRACT");
  if (!is_on_ledger) return {};
  desk.set_ledger_timeout_ms(kPatienceMs);
  Result<bot::LedgerView*> view = desk.ledger();
  return view.has_value() ? ledger_names(**view, kind) : std::vector<std::string>();
}

// Text for a program, as it is.
void print(Output& out, const std::string& text) {
  if (!out.is_json()) std::fputs(text.c_str(), stdout);
  out.document({{"text", text}});
}

Command complete_command(const ClusterMaker& maker) {
  auto words = std::make_shared<std::vector<std::string>>();
  Command command("complete", "what may come next, for the scripts of `mcloud completion`");
  command.hidden()
      .example("mcloud complete :drain :n")
      .arguments("WORD", "what was typed, each behind a colon; the last is to be completed", *words, false)
      .run([words, &maker](Desk& desk) -> Status {
        for (std::string& word : *words) word.erase(0, 1);
        Completion found = complete(all_commands(maker), *words, [&](const std::string& kind) { return names_of(desk, kind); });
        if (found.kind == Completion::Kind::Files) std::puts(":files");
        if (found.kind == Completion::Kind::Folders) std::puts(":folders");
        for (const Completion::Word& word : found.words) std::printf("%s\t%s\n", word.text.c_str(), word.help.c_str());
        return {};
      });
  return command;
}

Command completion_command() {
  auto shell = std::make_shared<std::string>();
  Command command("completion", "a script that completes commands, options and names in your shell");
  command.example("mcloud completion bash > /etc/bash_completion.d/mcloud")
      .describe("In ~/.bashrc: source <(mcloud completion bash). For zsh a file named _mcloud in a folder of $fpath; for fish: mcloud completion fish | source.")
      .argument("SHELL", "bash, zsh or fish", *shell)
      .run([shell](Desk& desk) -> Status {
        std::string script = TRY(completion_script(*shell));
        print(desk.out(), script);
        return {};
      });
  return command;
}

Command man_command(const ClusterMaker& maker) {
  Command command("man", "the manual page of all commands, as roff");
  command.example("mcloud man | man -l -").run([&maker](Desk& desk) -> Status {
    print(desk.out(), manual_page(all_commands(maker), kVersion));
    return {};
  });
  return command;
}

}  // namespace

Commands shell_commands(const ClusterMaker& maker) { return {completion_command(), man_command(maker), complete_command(maker)}; }

}  // namespace mcloud::cli
