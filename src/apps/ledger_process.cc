// mcloud ledger init | serve
#include <fmt/core.h>

#include "apps/processes.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/desk.h"
#include "io/clock.h"
#include "ledger/engine/server.h"
#include "wallet/key_file.h"

namespace mcloud::apps {
namespace {

using cli::Command;
using cli::Desk;

struct InitOptions {
  std::string data;
  std::string chain_id;
  std::vector<std::string> members;
  std::string fence_after = "5s";
};

Result<ledger::GenesisMember> parse_member(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos)
    return make_error(Code::Invalid, "--member is NAME=PUBLIC-KEY, like ida=" + std::string(64, '.'));
  ledger::GenesisMember member;
  member.name = text.substr(0, equals);
  TRY(wallet::check_name(member.name));
  member.key = TRY(PublicKey::from_hex(text.substr(equals + 1)).with_context("--member " + member.name));
  return member;
}

Command ledger_init() {
  auto options = std::make_shared<InitOptions>();
  Command command("ledger init", "begin a new ledger; prints what its clients must trust");
  command.hidden()
      .example(
          "mcloud ledger init --data /var/lib/mcloud/ledger --chain-id acme-1 --member ida=$(mcloud key show ida) > "
          "trust.json")
      .required_option("--data", "DIR", "its data folder", options->data)
      .required_option("--chain-id", "ID", "unique for every ledger: 1 to 64 of A-Z a-z 0-9 . _ -", options->chain_id)
      .option("--member", "NAME=KEY", "a founder: an identity, and a governor (repeatable)", options->members)
      .option("--fence-after", "TIME", "silence after which a node is given up (5s)", options->fence_after)
      .run([options](Desk& desk) -> Status {
        std::vector<ledger::GenesisMember> members;
        for (const std::string& text : options->members) members.push_back(TRY(parse_member(text)));
        if (members.empty()) return make_error(Code::Invalid, "a ledger without a --member could never be used");
        pb::Parameters parameters = ledger::default_parameters(members);
        parameters.set_fence_after_ms(TRY(parse_duration_ms(options->fence_after).with_context("--fence-after")));
        ledger::Trust trust =
            TRY(ledger::init_ledger(options->data, options->chain_id, members, parameters, desk.clock()));
        fmt::print("{}\n", trust.to_json());
        return {};
      });
  return command;
}

Command ledger_serve() {
  struct Options {
    std::string data, host = "127.0.0.1", unix_path;
    uint64_t port = 7100;
  };
  auto options = std::make_shared<Options>();
  Command command("ledger serve", "run a ledger");
  command.hidden()
      .example("mcloud ledger serve --data /var/lib/mcloud/ledger --host 10.0.0.1 --port 7100")
      .required_option("--data", "DIR", "the folder that `ledger init` made", options->data)
      .option("--host", "ADDRESS", "address to listen on (127.0.0.1)", options->host)
      .option("--port", "N", "port to listen on (7100)", options->port)
      .option("--unix", "PATH", "also a socket in the file system", options->unix_path)
      .run([options](Desk&) -> Status {
        if (options->port > 65535) return make_error(Code::Invalid, "--port is at most 65535");
        ledger::Server::Options served;
        served.data_folder = options->data;
        served.host = options->host;
        served.port = static_cast<uint16_t>(options->port);
        served.unix_path = options->unix_path;
        std::unique_ptr<ledger::Server> server = TRY(ledger::Server::start(served));
        log::info("ledger", "serving",
                  {{"host", options->host},
                   {"port", std::to_string(server->port())},
                   {"height", std::to_string(server->tip().head.height)}});
        return server->run_until_signal();
      });
  return command;
}

}  // namespace

cli::Commands ledger_commands() { return {ledger_init(), ledger_serve()}; }

}  // namespace mcloud::apps
