// mcloud events
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>  // waits before it asks or delivers again

#include "bot/webhook.h"
#include "cli/audit_events.h"
#include "cli/commands.h"
#include "cli/moment.h"
#include "cli/show.h"
#include "io/file.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kHeadWaitMs = 20'000;
constexpr auto kRetry = std::chrono::seconds(1);

struct Options {
  std::string contract, since, webhook, secret_file, position_file;
  bool everything = false;
};

// How far events were delivered, so that another process goes on there: {"height":N,"events":K}, K of the next block are
// delivered already.
struct Position {
  uint64_t height = 0;  // of the block that is next
  uint64_t events = 0;
};

Result<Position> load_position(const std::string& path) {
  Bytes text = TRY(io::read_file(path, 4096));
  Json json = Json::parse(text, nullptr, false);
  bool is_good = json.is_object() && json.contains("height") && json.contains("events") && json["height"].is_number_unsigned() &&
                 json["events"].is_number_unsigned();
  if (!is_good) return make_error(Code::Corrupt, path + ": not a position of mcloud events; remove it to begin with what comes next");
  return Position{json["height"].get<uint64_t>(), json["events"].get<uint64_t>()};
}

class EventStream {
 public:
  EventStream(Desk& desk, const Options& options) : desk_(desk), options_(options) {}

  Status run() {
    view_ = TRY(desk_.ledger());
    name_of_ = ledger_names(*view_);
    TRY(prepare());
    for (;;) {
      Status read = read_on();
      if (!read && read.error().code != Code::Unavailable && read.error().code != Code::TimedOut) return read;
      if (!read) desk_.out().note(read.error().message + "; trying again");
      if (!read || !view_->client().wait_for_head(view_->client().head().height, kHeadWaitMs)) std::this_thread::sleep_for(kRetry);
    }
  }

 private:
  Status prepare();
  Status read_on();
  Status take(const bot::AuditEvent& event);
  Status keep_position(uint64_t height, uint64_t events);

  Desk& desk_;
  const Options& options_;
  bot::LedgerView* view_ = nullptr;
  NameOf name_of_;
  bot::AuditOptions wanted_;
  std::unique_ptr<bot::Webhook> webhook_;
  Position next_;
};

Status EventStream::prepare() {
  wanted_.endpoints = TRY(desk_.context())->ledger;
  wanted_.blocks_max = UINT64_MAX;
  wanted_.nodes_too = options_.everything;
  if (!options_.contract.empty()) {
    pb::Contract contract = TRY(desk_.get_contract(options_.contract));
    wanted_.contract = TRY(ContractId::from_bytes(contract.id()));
  }
  TRY(view_->parameters());
  next_.height = view_->client().head().height + 1;
  if (!options_.since.empty()) {
    wanted_.since_ms = TRY(parse_moment(options_.since, desk_.clock().wall_ms()).with_context("--since"));
    next_.height = 0;
  }
  if (!options_.position_file.empty() && io::exists(options_.position_file)) {
    next_ = TRY(load_position(options_.position_file));
    wanted_.since_ms = 0;
  }
  if (!options_.position_file.empty()) TRY(keep_position(next_.height, next_.events));
  if (options_.webhook.empty()) return {};
  Bytes secret;
  if (!options_.secret_file.empty()) secret = TRY(io::read_file(options_.secret_file, 4096));
  while (secret.ends_with('\n')) secret.pop_back();
  webhook_ = TRY(bot::Webhook::make(options_.webhook, std::move(secret), [](uint64_t ms) -> Status {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    return {};
  }));
  return {};
}

Status EventStream::read_on() {
  wanted_.from = next_.height;
  uint64_t top = TRY(bot::walk_history(*view_, wanted_, [&](bot::AuditedBlock&& block) -> Status {
    uint64_t height = block.head.head.height, delivered = height == next_.height ? next_.events : 0;
    for (uint64_t i = delivered; i < block.events.size(); i++) {
      TRY(take(block.events[i]));
      next_ = {height, i + 1};
      TRY(keep_position(next_.height, next_.events));
    }
    next_ = {height + 1, 0};
    return {};
  }));
  wanted_.since_ms = 0;
  if (top + 1 > next_.height) next_ = {top + 1, 0};
  return keep_position(next_.height, next_.events);
}

Status EventStream::keep_position(uint64_t height, uint64_t events) {
  if (options_.position_file.empty()) return {};
  return io::write_file(options_.position_file, Json{{"height", height}, {"events", events}}.dump() + "\n", io::Durability::Fsync, 0600);
}

Status EventStream::take(const bot::AuditEvent& event) {
  Json json = json_of(event, name_of_);
  if (webhook_ != nullptr) {
    json["chain_id"] = view_->chain_id();
    TRY(webhook_->deliver(event.transaction.hex(), event.what, json.dump(),
                          [&](const Error& error) { desk_.out().note(options_.webhook + ": " + error.message + "; trying again"); }));
  }
  desk_.out().document_line(json);
  std::string rest = event.refused ? "refused: " + event.refusal : event.detail;
  desk_.out().line(format_time(event.time_ms) + "  " + name_of_(event.who) + "  " + paint(event.what, Tone::Strong, desk_.out().colour()) + "  " +
                   printable(subject_of(event, name_of_)) + (rest.empty() ? "" : "  " + printable(rest)));
  return {};
}

Command events_command() {
  auto options = std::make_shared<Options>();
  Command command("events", "what happens on the ledger, as it happens; to a webhook, too");
  command.example("mcloud events --webhook https://chat.example/hooks/x --position events.position")
      .describe("Until Ctrl-C. Each event goes to the webhook once, in order, and again until it is taken; with --position also when this process is "
                "started anew. A receiver may see one twice: x-mcloud-delivery is the same.")
      .optional_argument("CONTRACT", "name, or the beginning of its id; none: everything", options->contract)
      .option("--since", "TIME", "begin so long ago, or at that moment, instead of now", options->since)
      .flag("--everything", "what nodes and validators report by themselves too", options->everything)
      .option("--webhook", "URL", "POST each event there, as JSON", options->webhook)
      .option("--secret", "FILE", "sign each POST with what stands there: x-mcloud-signature, HMAC-SHA256", options->secret_file)
      .option("--position", "FILE", "remember there how far it came, and go on there", options->position_file)
      .run([options](Desk& desk) { return EventStream(desk, *options).run(); });
  return command;
}

}  // namespace

Commands events_commands() { return {events_command()}; }

}  // namespace mcloud::cli
