// mcloud plan
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/contract_language.h"
#include "cli/draft_view.h"

namespace mcloud::cli {
namespace {

Command plan() {
  auto file = std::make_shared<bot::ContractFile>();
  Command command("plan", "what applying a contract file would change");
  command.example("mcloud plan recipes/hello/contract.yaml")
      .describe(
          "Shows the changes, who must approve, for which nodes secrets are sealed and where replicas would stand.\n"
          "Nothing is sent or changed.");
  takes_contract_file(command, *file)
      .run([file](Desk& desk) -> Status {
        bot::Draft draft = TRY(load_draft(desk, *file));
        bot::LedgerView* view = TRY(desk.ledger());
        desk.out().document(json_of(draft, *view));
        print_draft(desk, draft, *view);
        if (draft.change != bot::Draft::Change::None) desk.out().line("\nDo it: mcloud apply " + file->path + typed_values(*file));
        return {};
      });
  return command;
}

}  // namespace

Commands plan_commands() { return {plan()}; }

}  // namespace mcloud::cli
