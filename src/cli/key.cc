// mcloud key new | list | show | backup | restore
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/desk.h"
#include "wallet/words.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
using wallet::Wallet;

Json json_of(const wallet::KeyInfo& key) {
  return Json{
      {"name", key.name}, {"public_key", key.public_key.hex()}, {"passphrase", key.has_passphrase}, {"path", key.path}};
}

std::string protection_of(const wallet::KeyInfo& key) { return key.has_passphrase ? "passphrase" : "none"; }

void show_made(Desk& desk, const wallet::KeyInfo& key) {
  desk.out().document(json_of(key));
  desk.out().line("key " + key.name + "  " + key.public_key.hex());
  desk.out().line("file " + key.path);
  desk.out().line("Keep a copy on paper: mcloud key backup " + key.name);
  desk.out().line("To act on a ledger it needs a member who vouches for it: mcloud identity register " + key.name +
                  " --key MEMBER");
}

struct Options {
  std::string name;
  bool no_passphrase = false;
  Wallet::Passphrase passphrase() const { return no_passphrase ? Wallet::Passphrase::None : Wallet::Passphrase::Ask; }
};

Command key_new() {
  auto options = std::make_shared<Options>();
  Command command("key new", "make a key");
  command.example("mcloud key new ida")
      .describe("The private half is encrypted with a passphrase (asked for, or MCLOUD_PASSPHRASE).")
      .argument("NAME", "2 to 32 of a-z, 0-9 and '-'", options->name)
      .flag("--no-passphrase", "store the private half in clear, readable by you only", options->no_passphrase)
      .run([options](Desk& desk) -> Status {
        TRY(desk.wallet().check_free(options->name));
        show_made(desk, TRY(desk.wallet().create(options->name, options->passphrase())));
        return {};
      });
  return command;
}

Command key_list() {
  Command command("key list", "the keys on this machine");
  command.example("mcloud key list").run([](Desk& desk) -> Status {
    std::vector<wallet::KeyInfo> keys = TRY(desk.wallet().list());
    Json json = Json::array();
    Table table{{"NAME", "PUBLIC KEY", "PROTECTION", "FILE"}, {}};
    for (const wallet::KeyInfo& key : keys) {
      json.push_back(json_of(key));
      Tone tone = key.has_passphrase ? Tone::Good : Tone::Warning;
      table.rows.push_back({{key.name, Tone::Strong}, key.public_key.hex(), {protection_of(key), tone}, key.path});
    }
    desk.out().document({{"keys", json}});
    if (keys.empty())
      desk.out().line("no keys yet; make one: mcloud key new NAME");
    else
      desk.out().table(table);
    return {};
  });
  return command;
}

Command key_show() {
  auto options = std::make_shared<Options>();
  Command command("key show", "a key's public half");
  command.example("mcloud key show ida")
      .argument("NAME", "a key's name, or its public half in hex", options->name)
      .run([options](Desk& desk) -> Status {
        wallet::KeyInfo key = TRY(desk.wallet().find(options->name));
        desk.out().document(json_of(key));
        desk.out().line(key.public_key.hex());
        return {};
      });
  return command;
}

Command key_backup() {
  auto options = std::make_shared<Options>();
  Command command("key backup", "a key as words to write on paper");
  command.example("mcloud key backup ida")
      .describe("Who has these words has the key. They are shown on standard output and stored nowhere.")
      .argument("NAME", "a key's name", options->name)
      .run([options](Desk& desk) -> Status {
        std::string words = TRY(desk.wallet().backup_words(options->name));
        desk.out().document({{"name", options->name}, {"words", words}});
        desk.out().note("The words of key " + options->name + ". Write them down; show them to nobody:");
        desk.out().line(words);
        desk.out().note("Bring it back with: mcloud key restore " + options->name);
        crypto::wipe(words);
        return {};
      });
  return command;
}

Result<std::string> read_words() {
  std::string words, line;
  while (words.size() < 1024 && std::getline(std::cin, line)) {
    words += line + " ";
    if (std::ranges::count(words, '-') + 1 >= static_cast<int>(wallet::kWordCount)) break;
    if (line.empty()) break;
  }
  if (words.empty()) return make_error(Code::Invalid, "no words came; type them, or: mcloud key restore NAME < FILE");
  return words;
}

Command key_restore() {
  auto options = std::make_shared<Options>();
  Command command("key restore", "a key from its backup words");
  command.example("mcloud key restore ida < words.txt")
      .describe("The words are read from standard input, so that no shell history keeps them.")
      .argument("NAME", "the name it gets here", options->name)
      .flag("--no-passphrase", "store the private half in clear, readable by you only", options->no_passphrase)
      .run([options](Desk& desk) -> Status {
        TRY(desk.wallet().check_free(options->name));
        if (desk.out().is_terminal()) desk.out().note("The 17 words, then an empty line:");
        std::string words = TRY(read_words());
        Result<wallet::KeyInfo> key = desk.wallet().restore(options->name, words, options->passphrase());
        crypto::wipe(words);
        if (!key) return key.error();
        show_made(desk, *key);
        return {};
      });
  return command;
}

}  // namespace

Commands key_commands() { return {key_new(), key_list(), key_show(), key_backup(), key_restore()}; }

}  // namespace mcloud::cli
