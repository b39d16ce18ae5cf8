// mcloud name buy | transfer | release | list | show
#include <algorithm>
#include <nlohmann/json.hpp>

#include "bot/nearest.h"
#include "bot/send.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "wallet/transactions.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string person(BytesView key, bot::LedgerView& view) {
  return view.name_of(PublicKey::from_bytes(key).value_or(PublicKey()));
}

// Of the contract that uses it; "" when none does.
Result<std::string> user_of(const pb::NamedRecord& record, bot::LedgerView& view) {
  if (record.contract().empty()) return std::string();
  ContractId id = TRY(ContractId::from_bytes(record.contract()));
  std::optional<pb::Contract> contract = TRY(view.find_contract(id));
  return contract ? contract->name() : id.short_hex();
}

// Where it appears: below the domain of every gateway that is online.
Result<std::vector<std::string>> hosts_of(const std::string& name, bot::LedgerView& view) {
  std::vector<std::string> hosts;
  for (const pb::Node& node : TRY(view.nodes())) {
    if (node.state() != pb::NODE_ONLINE || !node.addresses().has_gateway()) continue;
    hosts.push_back(name + "." + node.addresses().gateway().domain());
  }
  std::ranges::sort(hosts);
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  return hosts;
}

Result<pb::NamedRecord> get_name(const std::string& name, bot::LedgerView& view) {
  std::optional<pb::NamedRecord> record = TRY(view.find_name(name));
  if (record) return *std::move(record);
  std::vector<std::string> known;
  for (const pb::NamedRecord& one : TRY(view.names())) known.push_back(one.name());
  return make_error(Code::NotFound, bot::not_found("name", name, known));
}

// What all three that change something do.
Status act(Desk& desk, const std::string& name, const pb::Transaction& action, const std::string& done) {
  bot::LedgerView* view = TRY(desk.ledger());
  std::string signer = TRY(desk.key_name());
  crypto::SigningKey key = TRY(desk.wallet().unlock(signer));
  uint64_t height = TRY(bot::send(view->client(), key, action));
  desk.out().document({{"name", name}, {"as", signer}, {"height", height}});
  desk.out().line(done + ", block " + std::to_string(height));
  return {};
}

Command buy_command() {
  auto name = std::make_shared<std::string>();
  Command command("name buy", "make a public name yours");
  command.example("mcloud name buy shop")
      .describe(
          "3 to 40 of a-z, 0-9 and '-'. A publication with `name: shop` appears at shop.DOMAIN on every gateway. One\n"
          "contract at a time can use it, and only yours.")
      .argument("NAME", "a name that nobody has", *name)
      .run([name](Desk& desk) {
        return act(desk, *name, wallet::buy_name(*name), "the name " + *name + " is yours");
      });
  return command;
}

Command transfer_command() {
  struct Options {
    std::string name;
    std::string to;
  };
  auto options = std::make_shared<Options>();
  Command command("name transfer", "give a public name to somebody else");
  command.example("mcloud name transfer shop --to lena")
      .describe("Not while a contract uses it: cancel or update that first.")
      .argument("NAME", "a name of yours", options->name)
      .required_option("--to", "WHO", "a person on the ledger: a name or a public key", options->to)
      .run([options](Desk& desk) -> Status {
        bot::LedgerView* view = TRY(desk.ledger());
        TRY(get_name(options->name, *view));
        PublicKey to = TRY(view->key_of(options->to));
        return act(desk, options->name, wallet::transfer_name(options->name, to),
                   "the name " + options->name + " is " + view->name_of(to) + "'s");
      });
  return command;
}

Command release_command() {
  auto name = std::make_shared<std::string>();
  Command command("name release", "give a public name up");
  command.example("mcloud name release shop")
      .describe("Anybody may buy it then. Not while a contract uses it.")
      .argument("NAME", "a name of yours", *name)
      .run([name](Desk& desk) -> Status {
        bot::LedgerView* view = TRY(desk.ledger());
        TRY(get_name(*name, *view));
        return act(desk, *name, wallet::release_name(*name), "nobody has the name " + *name + " any more");
      });
  return command;
}

Result<Json> json_of_name(const pb::NamedRecord& record, bot::LedgerView& view) {
  std::string contract = TRY(user_of(record, view));
  return Json{{"name", record.name()},
              {"owner", to_hex(record.owner())},
              {"owner_name", person(record.owner(), view)},
              {"contract", contract},
              {"contract_id", to_hex(record.contract())},
              {"since_ms", record.since_ms()}};
}

Command list_command() {
  auto mine = std::make_shared<bool>(false);
  Command command("name list", "public names, their owners and the contracts that use them");
  command.example("mcloud name list --mine")
      .flag("--mine", "only those of the key that would sign", *mine)
      .run([mine](Desk& desk) -> Status {
        bot::LedgerView* view = TRY(desk.ledger());
        std::vector<pb::NamedRecord> names = TRY(view->names());
        if (*mine) {
          PublicKey own = TRY(desk.own_key());
          std::erase_if(names, [&](const pb::NamedRecord& record) { return record.owner() != own.view(); });
        }
        Json list = Json::array();
        Table table{{"NAME", "OWNER", "CONTRACT", "SINCE (UTC)"}, {}};
        for (const pb::NamedRecord& record : names) {
          list.push_back(TRY(json_of_name(record, *view)));
          std::string contract = TRY(user_of(record, *view));
          table.rows.push_back({{record.name(), Tone::Strong},
                                person(record.owner(), *view),
                                contract.empty() ? Cell("none", Tone::Faint) : Cell(contract),
                                format_time(record.since_ms())});
        }
        desk.out().document({{"names", list}});
        if (names.empty())
          desk.out().line("no names; buy one: mcloud name buy NAME");
        else
          desk.out().table(table);
        return {};
      });
  return command;
}

Command show_command() {
  auto name = std::make_shared<std::string>();
  Command command("name show", "whose a public name is, what uses it and where it appears");
  command.example("mcloud name show shop").argument("NAME", "a public name", *name).run([name](Desk& desk) -> Status {
    bot::LedgerView* view = TRY(desk.ledger());
    pb::NamedRecord record = TRY(get_name(*name, *view));
    std::string contract = TRY(user_of(record, *view));
    std::vector<std::string> hosts = TRY(hosts_of(*name, *view));
    Json json = TRY(json_of_name(record, *view));
    json["hosts"] = hosts;
    desk.out().document(json);
    desk.out().line(record.name() + " is " + person(record.owner(), *view) + "'s since " +
                    format_time(record.since_ms()) + " UTC");
    desk.out().line(contract.empty() ? "no contract uses it" : "contract " + contract + " uses it");
    for (const std::string& host : hosts) desk.out().line((contract.empty() ? "would appear at " : "appears at ") + host);
    if (hosts.empty()) desk.out().line("there is no gateway: it appears nowhere");
    return {};
  });
  return command;
}

}  // namespace

Commands name_commands() {
  return {buy_command(), transfer_command(), release_command(), list_command(), show_command()};
}

}  // namespace mcloud::cli
