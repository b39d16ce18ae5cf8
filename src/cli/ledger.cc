// mcloud ledger backup | verify. The others of this group are processes (apps/ledger_process.cc).
#include <stdlib.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/desk.h"
#include "cli/program.h"
#include "io/file.h"
#include "ledger/engine/backup.h"
#include "ledger/engine/chain_check.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

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
  Json damage = Json::array();
  for (const ledger::ChainDamage& one : report.damage) {
    Json entry = {{"height", nullptr}, {"what", one.what}};
    if (one.height.has_value()) entry["height"] = *one.height;
    damage.push_back(std::move(entry));
    desk.out().line((one.height.has_value() ? "block " + std::to_string(*one.height) + ": " : "") + one.what);
  }
  Json executed_to;
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
    desk.set_exit_status(exit_status(Code::Corrupt));
    return {};
  }
  desk.out().line("whole: " + counts);
  desk.out().line("its newest block is " + std::to_string(report.head.height) + ", hash " + report.head.hash.hex());
  desk.out().line("Compare that with what a client knows: blocks missing at the end cannot be told from the files.");
  return {};
}

// Tells of heights a few times a second, on a terminal.
std::function<void(uint64_t)> progress_of(Desk& desk) {
  auto shown_ms = std::make_shared<uint64_t>(desk.clock().monotonic_ms());
  return [&desk, shown_ms](uint64_t height) {
    if (desk.clock().monotonic_ms() - *shown_ms < 200) return;
    *shown_ms = desk.clock().monotonic_ms();
    desk.out().live("block " + std::to_string(height));
  };
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
  check.progress = progress_of(desk);
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

Command ledger_backup() {
  struct Options {
    std::string data, to;
    bool without_key = false;
  };
  auto options = std::make_shared<Options>();
  Command command("ledger backup", "copy a ledger's folder, also while it is served; again: what is new");
  command.example("mcloud ledger backup --data /var/lib/mcloud/ledger --to /mnt/backup/ledger")
      .describe("A server can go on from the copy. Never let two servers run with one validator.key: they would sign two histories.")
      .required_option("--data", "DIR", "a ledger's data folder", options->data)
      .required_option("--to", "DIR", "the copy: a new folder, or an earlier backup of the same ledger", options->to)
      .flag("--without-key", "leave validator.key out: for reading and verifying only", options->without_key)
      .run([options](Desk& desk) -> Status {
        Result<ledger::BackupReport> report = ledger::back_up({.data_folder = options->data,
                                                               .backup_folder = options->to,
                                                               .with_key = !options->without_key,
                                                               .progress = progress_of(desk)});
        desk.out().live("");
        if (!report.has_value()) return report.error();
        desk.out().document({{"to", options->to}, {"height", report->height}, {"new_blocks", report->new_blocks}, {"new_bodies", report->new_blobs}});
        desk.out().line(options->to + ": up to block " + std::to_string(report->height) + "; new: " + std::to_string(report->new_blocks) +
                        " blocks, " + std::to_string(report->new_blobs) + " bodies");
        return {};
      });
  return command;
}

}  // namespace

Commands ledger_file_commands() { return {ledger_backup(), ledger_verify()}; }

}  // namespace mcloud::cli
