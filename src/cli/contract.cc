// mcloud contract check
#include <nlohmann/json.hpp>

#include "bot/draft.h"
#include "cli/commands.h"
#include "cli/contract_language.h"
#include "cli/show.h"

namespace mcloud::cli {
namespace {

Command contract_check() {
  auto file = std::make_shared<bot::ContractFile>();
  Command command("contract check", "is a contract file well-formed?");
  command.example("mcloud contract check recipes/hello/contract.yaml")
      .describe("Needs no cluster. Says all that is wrong, each with its line and column.");
  takes_contract_file(command, *file)
      .run([file](Desk& desk) -> Status {
        bot::FileOutcome outcome = TRY(bot::read_contract(*file));
        if (!outcome.contract) return report(desk, file->path, outcome.diagnostics);
        nlohmann::ordered_json json = {
            {"ok", true}, {"name", outcome.contract->name.value}, {"workloads", nlohmann::json::array()}};
        for (const auto& workload : outcome.contract->workloads) json["workloads"].push_back(workload.name.value);
        desk.out().document(json);
        desk.out().line(file->path + ": contract " + outcome.contract->name.value + ", " +
                        std::to_string(outcome.contract->workloads.size()) + " workloads, no errors");
        return {};
      });
  return command;
}

}  // namespace

Commands contract_commands() { return {contract_check(), contract_schema(), contract_explain(), contract_format()}; }

}  // namespace mcloud::cli
