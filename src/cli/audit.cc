// mcloud audit
#include "bot/audit.h"

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/show.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string contract;
  bool everything = false;
  uint64_t blocks = 100'000;
};

std::string who_name(const bot::AuditEvent& event, bot::LedgerView& view) {
  std::string name = view.name_of(event.who);
  return name == event.who.short_hex() ? view.node_name(event.who.view()) : name;
}

std::string subject_of(const bot::AuditEvent& event, bot::LedgerView& view) {
  if (event.contract.is_none() && event.subject.size() == 2 * Hash::kSize) {
    Result<Bytes> node = from_hex(event.subject);
    return node ? view.node_name(*node) : event.subject;
  }
  std::string text = event.subject.empty() && !event.contract.is_none() ? event.contract.short_hex() : event.subject;
  return text + (event.version == 0 ? "" : " v" + std::to_string(event.version));
}

Json json_of(const bot::AuditEvent& event, bot::LedgerView& view) {
  return {{"height", event.height},       {"time_ms", event.time_ms},
          {"who", who_name(event, view)}, {"key", event.who.hex()},
          {"what", event.what},           {"contract", event.contract.is_none() ? "" : event.contract.hex()},
          {"version", event.version},     {"subject", subject_of(event, view)},
          {"detail", event.detail},       {"refused", event.refused},
          {"refusal", event.refusal}};
}

Status audit(Desk& desk, const Options& options) {
  bot::LedgerView* view = TRY(desk.ledger());
  const Context* context = TRY(desk.context());
  bot::AuditOptions wanted;
  wanted.endpoints = context->ledger;
  wanted.blocks_max = options.blocks;
  wanted.nodes_too = options.everything;
  if (!options.contract.empty()) {
    pb::Contract contract = TRY(desk.get_contract(options.contract));
    wanted.contract = TRY(ContractId::from_bytes(contract.id()));
  }
  std::vector<bot::AuditEvent> events = TRY(bot::audit(*view, wanted));
  Json list = Json::array();
  Table table{{"BLOCK", "TIME (UTC)", "WHO", "WHAT", "OF", ""}, {}};
  for (const bot::AuditEvent& event : events) {
    list.push_back(json_of(event, *view));
    table.rows.push_back(
        {std::to_string(event.height),
         format_time(event.time_ms),
         who_name(event, *view),
         {event.what, Tone::Strong},
         subject_of(event, *view),
         {event.refused ? "refused: " + event.refusal : event.detail, event.refused ? Tone::Bad : Tone::Plain}});
  }
  desk.out().document({{"events", list}});
  desk.out().table(table);
  return {};
}

Command audit_command() {
  auto options = std::make_shared<Options>();
  Command command("audit", "who submitted, approved, drained ... and when");
  command.example("mcloud audit hello")
      .describe("Read from the ledger's blocks; every block's signatures are checked.")
      .optional_argument("CONTRACT", "name, or the beginning of its id; none: everything", options->contract)
      .flag("--everything", "what nodes and validators report by themselves too", options->everything)
      .option("--blocks", "N", "look at the newest N blocks at most (100000)", options->blocks)
      .run([options](Desk& desk) { return audit(desk, *options); });
  return command;
}

}  // namespace

Commands audit_commands() { return {audit_command()}; }

}  // namespace mcloud::cli
