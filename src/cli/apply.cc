// mcloud apply
#include "bot/apply.h"

#include <poll.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/contract_language.h"
#include "cli/draft_view.h"
#include "cli/progress.h"
#include "cli/show.h"

namespace mcloud::cli {
namespace {

struct Options {
  bot::ContractFile file;
  std::vector<std::string> approve_as;
  bool no_approve = false;
  bool no_wait = false;
  bool wait = false;
  std::string timeout = "5m";
};

const char* outcome_name(const bot::Applied& applied) {
  bool unchanged = applied.change == bot::Draft::Change::None && applied.approved_ms == 0;
  if (applied.status.condition == bot::Condition::Ready) return unchanged ? "unchanged" : "ready";
  return applied.status.condition == bot::Condition::Waiting || applied.status.has_proposal ? "waiting-for-approvals"
                                                                                            : "submitted";
}

constexpr uint64_t kForwardWaitMs = 2'000;
constexpr uint64_t kForwardLookMs = 20;

// The way from this machine to a publication is opened by another process, a moment after the ledger has granted it.
Result<const Context*> context_with_ways(Desk& desk, const bot::ContractStatus& status) {
  uint64_t deadline = desk.clock().monotonic_ms() + kForwardWaitMs;
  for (;;) {
    const Context* context = TRY(desk.fresh_context());
    bool open = std::ranges::all_of(status.published, [&](const bot::PublishedPort& port) {
      return port.protocol != "tcp" || port.where.empty() || !urls_of(status.id, port, *context).empty();
    });
    if (open || desk.clock().monotonic_ms() >= deadline) return context;
    poll(nullptr, 0, static_cast<int>(kForwardLookMs));
  }
}

void show(Desk& desk, bot::LedgerView& view, const bot::Applied& applied, const Context& context) {
  nlohmann::ordered_json json;
  json["outcome"] = outcome_name(applied);
  json["version"] = applied.version;
  json["approved_at_ms"] = applied.approved_ms;
  json["ready_at_ms"] = applied.ready_ms;
  json["contract"] = json_of(applied.status, view, context);
  desk.out().document(json);
  desk.out().line("");
  print_contract(desk, view, applied.status, context);
}

Status apply(Desk& desk, const Options& options) {
  if (options.wait && options.no_wait) return make_error(Code::Invalid, "--wait and --no-wait contradict each other");
  bot::ApplyOptions wanted;
  wanted.timeout_ms = TRY(parse_time("--timeout", options.timeout));
  wanted.approve_as = options.approve_as;
  wanted.approve_own = !options.no_approve;
  wanted.wait = !options.no_wait;
  wanted.wait_for_approvals = options.wait;
  bot::Draft draft = TRY(load_draft(desk, options.file));
  wanted.owner = TRY(desk.key_name());
  bot::LedgerView* view = TRY(desk.ledger());
  print_draft(desk, draft, *view);
  bot::Applied applied;
  {
    LiveProgress progress(desk.out(), desk.clock());
    applied = TRY(bot::apply(*view, desk.wallet(), desk.clock(), draft, wanted, progress));
  }
  const Context* context = TRY(context_with_ways(desk, applied.status));
  show(desk, *view, applied, *context);
  return {};
}

Command apply_command() {
  auto options = std::make_shared<Options>();
  Command command("apply", "make what runs be what a contract file says");
  command.example("mcloud apply recipes/hello/contract.yaml")
      .example("mcloud apply recipes/hello/contract.yaml --approve-as ida --approve-as lena")
      .describe(
          "Submits the contract as the key that signs, approves it as the owner (if the contract asks for that) and "
          "as\n"
          "--approve-as, and follows until every replica is ready. When other people must approve first, it says who "
          "and\n"
          "ends; --wait waits for them. Applying an unchanged file changes nothing.");
  takes_contract_file(command, options->file)
      .option("--approve-as", "NAME", "approve with this local key too (repeatable)", options->approve_as)
      .flag("--no-approve", "do not approve as the owner", options->no_approve)
      .flag("--wait", "wait for other people's approvals", options->wait)
      .flag("--no-wait", "end once it is submitted", options->no_wait)
      .option("--timeout", "TIME", "how long to wait (5m)", options->timeout)
      .run([options](Desk& desk) { return apply(desk, *options); });
  return command;
}

}  // namespace

Commands apply_commands() { return {apply_command()}; }

}  // namespace mcloud::cli
