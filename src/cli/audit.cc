// mcloud audit, audit verify
#include <functional>
#include <nlohmann/json.hpp>

#include "bot/audit_bundle.h"
#include "cli/audit_events.h"
#include "cli/commands.h"
#include "cli/moment.h"
#include "cli/show.h"
#include "io/file.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string contract, by, node, since, until, file;
  bool everything = false;
  uint64_t blocks = 100'000;
};

Json show_events(Output& out, const std::vector<bot::AuditEvent>& events, const NameOf& name_of) {
  Json list = Json::array();
  Table table{{"BLOCK", "TIME (UTC)", "WHO", "WHAT", "OF", "TRANSACTION", ""}, {}};
  for (const bot::AuditEvent& event : events) {
    list.push_back(json_of(event, name_of));
    table.rows.push_back(
        {std::to_string(event.height),
         format_time(event.time_ms),
         name_of(event.who),
         {event.what, Tone::Strong},
         subject_of(event, name_of),
         {event.transaction.short_hex(), Tone::Faint},
         {event.refused ? "refused: " + event.refusal : event.detail, event.refused ? Tone::Bad : Tone::Plain}});
  }
  out.table(table);
  return list;
}

Result<bot::AuditOptions> wanted_of(Desk& desk, bot::LedgerView& view, const Options& options) {
  bot::AuditOptions wanted;
  wanted.endpoints = TRY(desk.context())->ledger;
  wanted.blocks_max = options.blocks;
  wanted.nodes_too = options.everything;
  uint64_t now_ms = desk.clock().wall_ms();
  if (!options.since.empty()) wanted.since_ms = TRY(parse_moment(options.since, now_ms).with_context("--since"));
  if (!options.until.empty()) wanted.until_ms = TRY(parse_moment(options.until, now_ms).with_context("--until"));
  if (!options.by.empty()) wanted.who = TRY(view.key_of(options.by).with_context("--by"));
  if (!options.node.empty()) wanted.node = TRY(view.get_node(options.node).with_context("--node")).key();
  if (!options.contract.empty()) {
    pb::Contract contract = TRY(desk.get_contract(options.contract));
    wanted.contract = TRY(ContractId::from_bytes(contract.id()));
  }
  Output& out = desk.out();
  wanted.progress = [&out](uint64_t height, uint64_t top) {
    if (height % 200 == 0 || height == top) out.live(height == top ? "" : "block " + std::to_string(height) + " of " + std::to_string(top));
  };
  return wanted;
}

Status audit(Desk& desk, const Options& options) {
  bot::LedgerView* view = TRY(desk.ledger());
  bot::AuditOptions wanted = TRY(wanted_of(desk, *view, options));
  NameOf name_of = ledger_names(*view);
  if (options.file.empty()) {
    std::vector<bot::AuditEvent> events = TRY(bot::audit(*view, wanted));
    desk.out().document({{"events", show_events(desk.out(), events, name_of)}});
    return {};
  }
  bot::AuditBundle bundle = TRY(bot::make_bundle(*view, wanted));
  TRY(io::write_file(options.file, bundle.file, io::Durability::Fsync));
  Json list = show_events(desk.out(), bundle.events, name_of);
  desk.out().document({{"file", options.file}, {"bytes", bundle.file.size()}, {"events", std::move(list)}});
  desk.out().note("wrote " + options.file + ". Others check it with: mcloud audit verify " + options.file + " --trust FILE");
  return {};
}

// Whose signatures count: those that --trust names, else those of the ledger at hand. Nothing is asked of a network.
Result<ledger::Trust> trust_at_hand(Desk& desk) {
  const std::string& file = desk.globals().trust;
  if (file.empty()) return TRY(desk.context())->trust;
  Bytes text = TRY(io::read_file(file));
  return ledger::Trust::parse(text).with_context(file);
}

Status verify(Desk& desk, const std::string& file) {
  Bytes bytes = TRY(io::read_file(file, bot::kBundleBytesMax));
  ledger::Trust trust = TRY(trust_at_hand(desk));
  bot::VerifiedBundle bundle = TRY(bot::verify_bundle(trust, bytes).with_context(file));
  NameOf name_of = [&bundle](const PublicKey& key) {
    auto known = bundle.names.find(key);
    return known == bundle.names.end() ? key.short_hex() : known->second;
  };
  Json list = show_events(desk.out(), bundle.events, name_of);
  desk.out().line("proven: " + std::to_string(bundle.events.size()) + " events of the ledger " + bundle.chain_id +
                  ", as of block " + std::to_string(bundle.newest.height) + " (" + format_time(bundle.newest.time_ms) + " UTC)");
  desk.out().document({{"chain_id", bundle.chain_id},
                       {"height", bundle.newest.height},
                       {"hash", bundle.newest.hash.hex()},
                       {"time_ms", bundle.newest.time_ms},
                       {"events", std::move(list)}});
  return {};
}

Command audit_command() {
  auto options = std::make_shared<Options>();
  Command command("audit", "who submitted, approved, drained ... and when");
  command.example("mcloud audit hello --since 24h")
      .describe("Read from the ledger's blocks; every block's signatures are checked.")
      .optional_argument("CONTRACT", "name, or the beginning of its id; none: everything", options->contract)
      .option("--by", "WHO", "what this person or node signed", options->by)
      .option("--node", "NODE", "what this node sent, and what was said of it", options->node)
      .option("--since", "TIME", "not before: 24h (ago), 2026-11-28 or 2026-11-28T08:30", options->since)
      .option("--until", "TIME", "not after", options->until)
      .flag("--everything", "what nodes and validators report by themselves too", options->everything)
      .option("--blocks", "N", "look at the newest N blocks at most (100000)", options->blocks)
      .option("--export", "FILE", "also write it with its evidence, for `mcloud audit verify`", options->file)
      .run([options](Desk& desk) { return audit(desk, *options); });
  return command;
}

Command verify_command() {
  auto file = std::make_shared<std::string>();
  Command command("audit verify", "check what `audit --export` wrote, offline");
  command.example("mcloud audit verify hello.audit --trust trust.json")
      .describe("Needs the validators' keys and nothing else: --trust, or the ledger at hand. What is in the file happened; that "
                "nothing else happened it cannot show.")
      .argument("FILE", "the file", *file)
      .run([file](Desk& desk) { return verify(desk, *file); });
  return command;
}

}  // namespace

Commands audit_commands() { return {audit_command(), verify_command()}; }

}  // namespace mcloud::cli
