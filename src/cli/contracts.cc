// mcloud contracts | status
#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>  // waits before it asks again

#include "cli/commands.h"
#include "cli/show.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

Result<std::vector<bot::ContractStatus>> load_all(bot::LedgerView& view, bool ended) {
  std::vector<pb::Node> nodes = TRY(view.nodes());
  std::map<Bytes, std::vector<pb::Workload>> workloads = TRY(view.all_workloads());
  std::vector<bot::ContractStatus> all;
  for (const pb::Contract& contract : TRY(view.contracts())) {
    if (!ended && !bot::is_live(contract)) continue;
    all.push_back(TRY(bot::summarize(contract, workloads[contract.id()], nodes)));
  }
  return all;
}

Table table_of(const std::vector<bot::ContractStatus>& all, bot::LedgerView& view) {
  Table table{{"CONTRACT", "ID", "OWNER", "VERSION", "CONDITION", "READY", ""}, {}};
  for (const bot::ContractStatus& status : all) {
    std::string owner = view.name_of(PublicKey::from_bytes(status.record.owner()).value_or(PublicKey()));
    std::string version = std::to_string(status.version);
    if (status.has_proposal && status.record.has_current())
      version += " (" + std::to_string(status.record.proposed().version()) + " waits)";
    table.rows.push_back({{status.record.name(), Tone::Strong},
                          status.id.short_hex(),
                          owner,
                          version,
                          {std::string(bot::condition_name(status.condition)), tone_of(status.condition)},
                          std::to_string(status.ready) + "/" + std::to_string(status.wanted),
                          status.why});
  }
  return table;
}

Command contracts_command() {
  auto ended = std::make_shared<bool>(false);
  Command command("contracts", "all contracts on the ledger");
  command.example("mcloud contracts --all")
      .flag("-a,--all", "those that have ended too", *ended)
      .run([ended](Desk& desk) -> Status {
        bot::LedgerView* view = TRY(desk.ledger());
        const Context* context = TRY(desk.context());
        std::vector<bot::ContractStatus> all = TRY(load_all(*view, *ended));
        Json list = Json::array();
        for (const bot::ContractStatus& status : all) list.push_back(json_of(status, *view, *context));
        desk.out().document({{"contracts", list}});
        if (all.empty())
          desk.out().line("no contracts; deploy one: mcloud apply FILE");
        else
          desk.out().table(table_of(all, *view));
        return {};
      });
  return command;
}

// The answer of a command that is asked once, or a line of one that watches.
void answer(Desk& desk, const Json& json, bool watches) {
  if (watches) return desk.out().document_line(json);
  desk.out().document(json);
}

Status overview(Desk& desk, bool watches) {
  bot::LedgerView* view = TRY(desk.ledger());
  const Context* context = TRY(desk.context());
  std::vector<pb::Node> nodes = TRY(view->nodes());
  std::vector<bot::ContractStatus> all = TRY(load_all(*view, false));
  ledger::Head head = view->client().head();
  auto count = [&](auto&& wanted) { return static_cast<uint64_t>(std::ranges::count_if(nodes, wanted)); };
  uint64_t online = count([](const pb::Node& node) { return node.state() == pb::NODE_ONLINE; });
  uint64_t held = count([](const pb::Node& node) { return node.held(); });
  Json json;
  json["cluster"] = context->name;
  json["chain_id"] = view->chain_id();
  json["height"] = head.height;
  json["time_ms"] = head.time_ms;
  json["state_hash"] = head.state_hash.hex();
  json["nodes"] = {{"online", online},
                   {"fenced", nodes.size() - online},
                   {"held", held},
                   {"draining", count([](const pb::Node& node) { return node.draining(); })}};
  json["contracts"] = Json::array();
  for (const bot::ContractStatus& status : all) json["contracts"].push_back(json_of(status, *view, *context));
  answer(desk, json, watches);
  desk.out().line("cluster " + context->name + ": block " + std::to_string(head.height) + ", " +
                  std::to_string(online) + " of " + std::to_string(nodes.size()) + " nodes online");
  if (held > 0) {
    desk.out().line(
        paint("mass loss: ", Tone::Bad, desk.out().colour()) + std::to_string(held) +
        " nodes were lost at once; what they ran is held, not moved. When one will not come back: mcloud drain NODE");
  }
  desk.out().line("");
  if (all.empty())
    desk.out().line("no contracts; deploy one: mcloud apply FILE");
  else
    desk.out().table(table_of(all, *view));
  return {};
}

Status one(Desk& desk, const std::string& contract, bool watches) {
  bot::LedgerView* view = TRY(desk.ledger());
  const Context* context = TRY(desk.context());
  pb::Contract record = TRY(desk.get_contract(contract));
  bot::ContractStatus status = TRY(bot::contract_status(*view, record));
  answer(desk, json_of(status, *view, *context), watches);
  print_contract(desk, *view, status, *context);
  return {};
}

constexpr uint64_t kLookMs = 5'000;      // ages grow also while no block comes
constexpr auto kRetry = std::chrono::seconds(1);

// With each block, until Ctrl-C. What was wrong at the first look ends it; later it is told, and looked again.
Status watch(Desk& desk, const std::function<Status(bool)>& show) {
  for (bool is_first = true;; is_first = false) {
    desk.out().page();
    Status shown = show(true);
    if (!shown && is_first) return shown;
    if (!shown) desk.out().note(shown.error().message);
    ledger::Client& client = TRY(desk.ledger())->client();
    if (!shown || !client.wait_for_head(client.head().height, kLookMs)) std::this_thread::sleep_for(kRetry);
  }
}

Command status_command() {
  struct Options {
    std::string contract;
    bool watch = false;
  };
  auto options = std::make_shared<Options>();
  Command command("status", "what runs where, and what is wrong");
  command.example("mcloud status hello")
      .example("mcloud status --watch")
      .optional_argument("CONTRACT", "name, or the beginning of its id; none: an overview", options->contract)
      .flag("-w,--watch", "again with each block, until Ctrl-C", options->watch)
      .run([options](Desk& desk) -> Status {
        auto show = [&](bool watches) { return options->contract.empty() ? overview(desk, watches) : one(desk, options->contract, watches); };
        return options->watch ? watch(desk, show) : show(false);
      });
  return command;
}

}  // namespace

Commands contracts_commands() { return {contracts_command(), status_command()}; }

}  // namespace mcloud::cli
