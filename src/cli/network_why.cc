// mcloud network why
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/network_desk.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

Result<bot::Why> find_out(Desk& desk, bot::ConnectionEnd from, bot::ConnectionEnd to) {
  if (from.contract.empty() && !from.is_internet) {
    return make_error(Code::Invalid, "of which contract is " + from.name + "? say CONTRACT/" + from.name);
  }
  if (to.contract.empty()) to.contract = from.contract;
  if (to.contract.empty()) return make_error(Code::Invalid, "of which contract is " + to.name + "? say CONTRACT/" + to.name);
  bot::LedgerView* view = TRY(desk.ledger());
  pb::Contract record = TRY(desk.get_contract(to.contract));
  if (!from.is_internet && from.contract != to.contract) {
    pb::Contract other = TRY(desk.get_contract(from.contract));
    if (other.id() != record.id()) return bot::explain_apart(from, to);
  }
  bot::NetworkFacts facts = TRY(bot::load_network_facts(*view, record));
  return bot::explain(facts, from, to);
}

Status why(Desk& desk, const std::string& from_text, const std::string& to_text) {
  bot::ConnectionEnd from = TRY(bot::parse_from(from_text));
  bot::ConnectionEnd to = TRY(bot::parse_to(to_text));
  bot::Why answer = TRY(find_out(desk, from, to));
  Json json = {{"from", from_text}, {"to", to_text}, {"works", answer.works}, {"steps", Json::array()}};
  for (const bot::WhyStep& step : answer.steps) json["steps"].push_back({{"text", step.text}, {"works", step.works}});
  desk.out().document(json);
  size_t number = 0;
  for (const bot::WhyStep& step : answer.steps) {
    const std::string mark = step.works ? paint("ok", Tone::Good, desk.out().colour()) : paint("NO", Tone::Bad, desk.out().colour());
    desk.out().line(std::to_string(++number) + ". " + mark + "  " + printable(step.text));
  }
  desk.out().line(answer.works ? "it should work" : "it does not work");
  if (answer.works) return {};
  // The answer was printed: the exit status alone says the rest.
  desk.set_exit_status(1);
  return {};
}

}  // namespace

Command network_why_command() {
  struct Options {
    std::string from;
    std::string to;
  };
  auto options = std::make_shared<Options>();
  Command command("network why", "does a connection work, by which steps, and what stops it");
  command.example("mcloud network why team/web db:5432")
      .example("mcloud network why team/device:laptop web:http")
      .example("mcloud network why internet shop/site:443")
      .example("mcloud network why team/web 192.0.2.1:443")
      .describe(
          "One numbered step for each hop: who runs, which name, network, rule and way between nodes. The exit status is\n"
          "0 when it should work and 1 when it does not.")
      .argument("FROM", "CONTRACT/WORKLOAD, CONTRACT/WORKLOAD-INDEX, CONTRACT/device:NAME or internet", options->from)
      .argument("TO", "[CONTRACT/]WORKLOAD:PORT, a port's number or name; ADDRESS:PORT or world:PORT for what lies outside; /udp behind when it is not TCP", options->to)
      .run([options](Desk& desk) { return why(desk, options->from, options->to); });
  return command;
}

}  // namespace mcloud::cli
