// mcloud token new | list | revoke
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "bot/nearest.h"
#include "bot/send.h"
#include "cli/commands.h"
#include "cli/farm_key.h"
#include "cli/show.h"
#include "wallet/token_book.h"
#include "wallet/token_text.h"
#include "wallet/transactions.h"
#include "wire/canonical.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kLifeMaxMs = 366ull * 86'400'000;  // what the ledger takes
constexpr size_t kTokenBytesMax = 1024;

// ---- new ---------------------------------------------------------------------------------------

struct NewOptions {
  std::string farm;
  std::string life = "24h";
};

Status new_token(Desk& desk, const NewOptions& options) {
  uint64_t life = TRY(parse_time("--valid", options.life));
  if (life == 0 || life > kLifeMaxMs)
    return make_error(Code::Invalid, "--valid " + options.life + " is out of bounds; allowed: up to 366d");
  bot::LedgerView* view = TRY(desk.ledger());
  crypto::SigningKey key = TRY(farm_key(desk, *view, options.farm));
  uint64_t now = desk.clock().wall_ms();
  pb::SignedJoinToken token = wallet::join_token(key, view->chain_id(), options.farm, now + life);
  auto inner = TRY(wire::decode<pb::JoinToken>(token.token(), "token"));
  TRY(wallet::TokenBook(wallet::default_token_folder()).add(inner, now));
  std::string text = wallet::token_text(token, wallet::mesh_secret(key, options.farm)), id = wallet::token_id(inner);
  desk.out().document({{"token", text}, {"id", id}, {"farm", options.farm}, {"expires_ms", now + life}});
  desk.out().line(text);
  desk.out().note("valid until " + format_time(now + life) + " UTC, for one node; take it back: mcloud token revoke " +
                  id);
  return {};
}

Command new_command() {
  auto options = std::make_shared<NewOptions>();
  Command command("token new", "a one-use permission for a node to join a farm");
  command.example("mcloud token new home --valid 24h > token.txt")
      .describe(
          "Signed by the farm's owner; the ledger hears of it when a node shows it. Whoever has it can join once, so\n"
          "hand it over like a key. It carries the farm's mesh secret as well, from which its nodes' preshared keys follow.")
      .argument("FARM", "a farm whose owner's key is here", options->farm)
      .option("--valid", "TIME", "for how long (24h)", options->life)
      .run([options](Desk& desk) { return new_token(desk, *options); });
  return command;
}

// ---- list --------------------------------------------------------------------------------------

struct Row {
  std::string id;
  std::string farm;
  std::string state;  // "open", "spent", "expired"
  uint64_t expires_ms = 0;
};

// Those that were made here, and those of which the ledger remembers that they are spent.
Result<std::vector<Row>> load_rows(Desk& desk, bot::LedgerView& view) {
  uint64_t now = std::max(desk.clock().wall_ms(), view.client().head().time_ms);
  std::vector<bot::LedgerView::SpentToken> spent = TRY(view.spent_tokens());
  std::vector<Row> rows;
  for (const pb::JoinToken& token : TRY(wallet::TokenBook(wallet::default_token_folder()).list(view.chain_id()))) {
    auto same = [&](const auto& one) { return one.nonce == token.nonce() && one.farm == token.farm(); };
    std::string state = token.expires_ms() <= now ? "expired" : "open";
    if (std::erase_if(spent, same) > 0) state = "spent";
    rows.push_back({wallet::token_id(token), token.farm(), state, token.expires_ms()});
  }
  for (const auto& token : spent)
    rows.push_back({to_hex(token.nonce).substr(0, 8), token.farm, "spent", token.expires_ms});
  std::ranges::sort(rows, {}, [](const Row& row) { return std::tuple(row.farm, row.expires_ms, row.id); });
  return rows;
}

Command list_command() {
  auto farm = std::make_shared<std::string>();
  Command command("token list", "join tokens: those made here, and those that are spent");
  command.example("mcloud token list home")
      .describe(
          "open: a node can still join with it. spent: used or revoked. The ledger forgets them when they expire.")
      .optional_argument("FARM", "only this farm's", *farm)
      .run([farm](Desk& desk) -> Status {
        bot::LedgerView* view = TRY(desk.ledger());
        std::vector<Row> rows = TRY(load_rows(desk, *view));
        if (!farm->empty()) std::erase_if(rows, [&](const Row& row) { return row.farm != *farm; });
        Json list = Json::array();
        Table table{{"TOKEN", "FARM", "STATE", "EXPIRES (UTC)"}, {}};
        for (const Row& row : rows) {
          list.push_back({{"id", row.id}, {"farm", row.farm}, {"state", row.state}, {"expires_ms", row.expires_ms}});
          Tone tone = row.state == "open" ? Tone::Good : Tone::Faint;
          table.rows.push_back({{row.id, Tone::Strong}, row.farm, {row.state, tone}, format_time(row.expires_ms)});
        }
        desk.out().document({{"tokens", list}});
        if (rows.empty())
          desk.out().line("no join tokens; make one: mcloud token new FARM");
        else
          desk.out().table(table);
        return {};
      });
  return command;
}

// ---- revoke ------------------------------------------------------------------------------------

// What `token new` printed, or the id that `token list` shows.
Result<pb::JoinToken> find_token(bot::LedgerView& view, const std::string& reference) {
  if (reference.size() > 2 * Hash::kSize) {
    wallet::CarriedToken carried = TRY(wallet::parse_token_text(reference));
    auto outer = TRY(wire::decode<pb::SignedJoinToken>(carried.token, "token", kTokenBytesMax));
    auto token = TRY(wire::decode<pb::JoinToken>(outer.token(), "token", kTokenBytesMax));
    if (token.chain_id() == view.chain_id()) return token;
    return make_error(Code::Invalid,
                      "the token is for the ledger " + token.chain_id() + ", this one is " + view.chain_id());
  }
  std::vector<std::string> ids;
  for (const pb::JoinToken& token : TRY(wallet::TokenBook(wallet::default_token_folder()).list(view.chain_id()))) {
    if (reference.size() >= 8 && to_hex(token.nonce()).starts_with(reference)) return token;
    ids.push_back(wallet::token_id(token));
  }
  return make_error(Code::NotFound, bot::not_found("join token", reference, ids) +
                                        " (made on this machine; of another one, give the whole token)");
}

std::string read_line() {
  std::string line;
  std::getline(std::cin, line);
  return line;
}

Command revoke_command() {
  auto reference = std::make_shared<std::string>();
  Command command("token revoke", "make a join token useless");
  command.example("mcloud token revoke 1f0c9a77")
      .example("mcloud token revoke - < token.txt")
      .describe("A node that has joined with it stays.")
      .argument("TOKEN", "its id in `mcloud token list`, the token itself, or - to read it from standard input",
                *reference)
      .run([reference](Desk& desk) -> Status {
        bot::LedgerView* view = TRY(desk.ledger());
        std::string wanted = *reference == "-" ? read_line() : *reference;
        pb::JoinToken token = TRY(find_token(*view, wanted));
        crypto::SigningKey key = TRY(farm_key(desk, *view, token.farm()));
        uint64_t height = TRY(bot::send(view->client(), key, wallet::revoke_token(token)));
        std::string id = wallet::token_id(token);
        desk.out().document({{"revoked", id}, {"farm", token.farm()}, {"height", height}});
        desk.out().line("no node joins with token " + id + " any more, block " + std::to_string(height));
        return {};
      });
  return command;
}

}  // namespace

Commands token_commands() { return {new_command(), list_command(), revoke_command()}; }

}  // namespace mcloud::cli
