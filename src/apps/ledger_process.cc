// mcloud ledger init | serve | verify
#include <fmt/core.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "apps/processes.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/desk.h"
#include "cli/program.h"
#include "io/clock.h"
#include "io/file.h"
#include "ledger/engine/chain_check.h"
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

struct VerifyOptions {
  std::string data, scratch;
};

// A new folder below `parent`, gone with this.
class Scratch {
 public:
  static Result<std::unique_ptr<Scratch>> make(const std::string& parent) {
    auto scratch = std::make_unique<Scratch>();
    scratch->path_ = parent + "/mcloud-verify-XXXXXX";
    if (::mkdtemp(scratch->path_.data()) == nullptr) return errno_error(errno, "make a folder in " + parent);
    return scratch;
  }
  ~Scratch() { static_cast<void>(io::remove_tree(path_)); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Status show_report(Desk& desk, const ledger::ChainReport& report) {
  nlohmann::ordered_json damage = nlohmann::ordered_json::array();
  for (const ledger::ChainDamage& one : report.damage) {
    nlohmann::ordered_json entry = {{"height", nullptr}, {"what", one.what}};
    if (one.height.has_value()) entry["height"] = *one.height;
    damage.push_back(std::move(entry));
    desk.out().line((one.height.has_value() ? "block " + std::to_string(*one.height) + ": " : "") + one.what);
  }
  nlohmann::ordered_json executed_to;
  if (report.executed_to.has_value()) executed_to = *report.executed_to;
  desk.out().document({{"whole", report.damage.empty()},
                       {"height", report.head.height},
                       {"hash", report.head.hash.hex()},
                       {"state_hash", report.head.state_hash.hex()},
                       {"time_ms", report.head.time_ms},
                       {"blocks", report.blocks},
                       {"transactions", report.transactions},
                       {"blobs", report.blobs},
                       {"executed_to", executed_to},
                       {"damage", damage}});
  std::string counts = std::to_string(report.blocks) + " blocks, " + std::to_string(report.transactions) +
                       " transactions, " + std::to_string(report.blobs) + " bodies";
  if (!report.damage.empty()) {
    desk.out().line("DAMAGED: " + counts + " read; executed up to block " +
                    (report.executed_to.has_value() ? std::to_string(*report.executed_to) : "none"));
    desk.set_exit_status(cli::exit_status(Code::Corrupt));
    return {};
  }
  desk.out().line("whole: " + counts);
  desk.out().line("its newest block is " + std::to_string(report.head.height) + ", hash " + report.head.hash.hex());
  desk.out().line("Compare that with what a client knows: blocks missing at the end cannot be told from the files.");
  return {};
}

Status verify_ledger(Desk& desk, const VerifyOptions& options) {
  ledger::ChainCheckOptions check;
  check.data_folder = options.data;
  if (const std::string& file = desk.globals().trust; !file.empty()) {
    Bytes text = TRY(io::read_file(file));
    check.trust = TRY(ledger::Trust::parse(text).with_context(file));
  }
  std::unique_ptr<Scratch> scratch = TRY(Scratch::make(options.scratch));
  check.scratch_folder = scratch->path() + "/state";
  uint64_t shown_ms = desk.clock().monotonic_ms();
  check.progress = [&](uint64_t height) {
    if (desk.clock().monotonic_ms() - shown_ms < 200) return;
    shown_ms = desk.clock().monotonic_ms();
    desk.out().live("block " + std::to_string(height));
  };
  Result<ledger::ChainReport> report = ledger::check_chain(check);
  desk.out().live("");
  if (!report.has_value()) return report.error();
  return show_report(desk, *report);
}

Command ledger_verify() {
  auto options = std::make_shared<VerifyOptions>();
  const char* temporary = ::getenv("TMPDIR");
  options->scratch = temporary != nullptr && *temporary != '\0' ? temporary : "/var/tmp";
  Command command("ledger verify", "read a whole ledger again: every block, signature and state hash");
  command.example("mcloud ledger verify --data /var/lib/mcloud/ledger")
      .describe("Executes all blocks anew and says at which height a byte was changed. Works on a copy, and beside a running server. "
                "--trust says whose signatures it must have; else those that its genesis.json names.")
      .required_option("--data", "DIR", "a ledger's data folder, or a copy of it", options->data)
      .option("--scratch", "DIR", "where the state may be computed (TMPDIR, /var/tmp)", options->scratch)
      .run([options](Desk& desk) { return verify_ledger(desk, *options); });
  return command;
}

}  // namespace

cli::Commands ledger_commands() { return {ledger_init(), ledger_serve(), ledger_verify()}; }

}  // namespace mcloud::apps
