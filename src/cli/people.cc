// mcloud identity list | request | register, farm list | new
#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "bot/send.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "io/file.h"
#include "wallet/transactions.h"
#include "wire/json.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kFileBytesMax = 64 << 10;

std::string key_name(BytesView key, bot::LedgerView& view) {
  return key.empty() ? "" : view.name_of(PublicKey::from_bytes(key).value_or(PublicKey()));
}

Command identity_list() {
  Command command("identity list", "people on the ledger");
  command.example("mcloud identity list").run([](Desk& desk) -> Status {
    bot::LedgerView* view = TRY(desk.ledger());
    Json list = Json::array();
    Table table{{"NAME", "PUBLIC KEY", "SPONSOR", "SINCE"}, {}};
    for (const pb::Identity& person : TRY(view->identities())) {
      std::string sponsor = key_name(person.sponsor(), *view);
      list.push_back({{"name", person.name()},
                      {"public_key", to_hex(person.key())},
                      {"sponsor", sponsor},
                      {"since_ms", person.since_ms()}});
      table.rows.push_back({{person.name(), Tone::Strong},
                            to_hex(person.key()),
                            sponsor.empty() ? "founder" : sponsor,
                            format_time(person.since_ms())});
    }
    desk.out().document({{"identities", list}});
    desk.out().table(table);
    return {};
  });
  return command;
}

struct Request {
  std::string name;
  PublicKey key;
  Bytes proof;
};

Result<Request> parse_request(const std::string& text, const std::string& chain_id, const PublicKey& sponsor) {
  nlohmann::json json = TRY(wire::parse_json(text, kFileBytesMax));
  if (!json.is_object()) return make_error(Code::Invalid, "no JSON object");
  std::string chain = TRY(wire::json_string(json, "chain_id"));
  std::string asked = TRY(wire::json_string(json, "sponsor"));
  std::string key = TRY(wire::json_string(json, "key"));
  std::string proof = TRY(wire::json_string(json, "proof"));
  if (chain != chain_id)
    return make_error(Code::Invalid, "it is for the ledger " + chain + ", this one is " + chain_id);
  if (asked != sponsor.hex()) return make_error(Code::Invalid, "it asks another sponsor than the key that would sign");
  Request request;
  request.name = TRY(wire::json_string(json, "name"));
  TRY(wallet::check_new_name(request.name));
  request.key = TRY(PublicKey::from_hex(key));
  request.proof = TRY(from_hex(proof));
  return request;
}

Command identity_request() {
  struct Options {
    std::string name;
    std::string sponsor;
  };
  auto options = std::make_shared<Options>();
  Command command("identity request", "ask a member to register your key");
  command.example("mcloud identity request lena --sponsor ida > request.json")
      .argument("NAME", "a key on this machine; also the name on the ledger", options->name)
      .required_option("--sponsor", "WHO", "the member who will register it: a name or a public key", options->sponsor)
      .run([options](Desk& desk) -> Status {
        TRY(wallet::check_new_name(options->name));
        bot::LedgerView* view = TRY(desk.ledger());
        PublicKey sponsor = TRY(view->key_of(options->sponsor));
        crypto::SigningKey key = TRY(desk.wallet().unlock(options->name));
        Json json = {{"chain_id", view->chain_id()},
                     {"name", options->name},
                     {"key", key.public_key().hex()},
                     {"sponsor", sponsor.hex()},
                     {"proof", to_hex(wallet::identity_proof(key, view->chain_id(), sponsor, options->name))}};
        desk.out().document(json);
        desk.out().line(json.dump(2));
        return {};
      });
  return command;
}

struct RegisterOptions {
  std::string name;
  std::string request_file;
};

Status register_identity(Desk& desk, const RegisterOptions& options) {
  if (options.name.empty() == options.request_file.empty()) {
    return make_error(Code::Invalid, "say either NAME, a key on this machine, or --request FILE");
  }
  if (!options.name.empty()) TRY(wallet::check_new_name(options.name));
  bot::LedgerView* view = TRY(desk.ledger());
  std::string sponsor_name = TRY(desk.key_name());
  crypto::SigningKey sponsor = TRY(desk.wallet().unlock(sponsor_name));
  Request request;
  if (options.request_file.empty()) {
    crypto::SigningKey key = TRY(desk.wallet().unlock(options.name));
    request = {options.name, key.public_key(),
               wallet::identity_proof(key, view->chain_id(), sponsor.public_key(), options.name)};
  } else {
    std::string text = TRY(io::read_file(options.request_file, kFileBytesMax));
    request = TRY(parse_request(text, view->chain_id(), sponsor.public_key()).with_context(options.request_file));
  }
  uint64_t height =
      TRY(bot::send(view->client(), sponsor, wallet::register_identity(request.key, request.name, request.proof)));
  desk.out().document(
      {{"name", request.name}, {"public_key", request.key.hex()}, {"sponsor", sponsor_name}, {"height", height}});
  desk.out().line(request.name + " is registered, vouched for by " + sponsor_name + ", block " +
                  std::to_string(height));
  return {};
}

Command identity_register() {
  auto options = std::make_shared<RegisterOptions>();
  Command command("identity register", "vouch for a new key, so that it can act on the ledger");
  command.example("mcloud identity register lena --key ida")
      .example("mcloud identity register --request request.json --key ida")
      .describe("--key is the sponsor, a member already.")
      .optional_argument("NAME", "a key on this machine; also the name on the ledger", options->name)
      .option("--request", "FILE", "what `mcloud identity request` printed elsewhere", options->request_file)
      .run([options](Desk& desk) { return register_identity(desk, *options); });
  return command;
}

Command farm_list() {
  Command command("farm list", "farms and their owners");
  command.example("mcloud farm list").run([](Desk& desk) -> Status {
    bot::LedgerView* view = TRY(desk.ledger());
    Json list = Json::array();
    Table table{{"FARM", "OWNER", "COUNTRY", "NODES", "SINCE"}, {}};
    for (const pb::Farm& farm : TRY(view->farms())) {
      std::string owner = key_name(farm.owner(), *view);
      list.push_back({{"name", farm.name()},
                      {"owner", owner},
                      {"country", farm.country()},
                      {"nodes", farm.nodes_size()},
                      {"since_ms", farm.since_ms()}});
      table.rows.push_back({{farm.name(), Tone::Strong},
                            owner,
                            farm.country(),
                            std::to_string(farm.nodes_size()),
                            format_time(farm.since_ms())});
    }
    desk.out().document({{"farms", list}});
    if (table.rows.empty())
      desk.out().line("no farms; make one: mcloud farm new NAME --country CH");
    else
      desk.out().table(table);
    return {};
  });
  return command;
}

Command farm_new() {
  struct Options {
    std::string name;
    std::string country;
  };
  auto options = std::make_shared<Options>();
  Command command("farm new", "a farm: an owner of nodes");
  command.example("mcloud farm new barn --country CH --key ida")
      .argument("NAME", "2 to 32 of a-z, 0-9 and '-'", options->name)
      .required_option("--country", "CC", "where it stands: two letters (ISO 3166)", options->country)
      .run([options](Desk& desk) -> Status {
        TRY(wallet::check_name(options->name));
        std::string country = options->country;
        std::ranges::transform(country, country.begin(), [](unsigned char c) { return std::toupper(c); });
        bot::LedgerView* view = TRY(desk.ledger());
        std::string name = TRY(desk.key_name());
        crypto::SigningKey key = TRY(desk.wallet().unlock(name));
        uint64_t height = TRY(bot::send(view->client(), key, wallet::create_farm(options->name, country)));
        desk.out().document({{"farm", options->name}, {"country", country}, {"owner", name}, {"height", height}});
        desk.out().line("farm " + options->name + " of " + name + ", block " + std::to_string(height) +
                        "; add nodes: mcloud token new " + options->name);
        return {};
      });
  return command;
}

}  // namespace

Commands people_commands() {
  return {identity_list(), identity_request(), identity_register(), farm_list(), farm_new()};
}

}  // namespace mcloud::cli
