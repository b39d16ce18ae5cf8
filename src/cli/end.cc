// mcloud cancel | retry | reseal: what a contract's owner does to it
#include <nlohmann/json.hpp>

#include "bot/apply.h"
#include "bot/send.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "contract/header.h"
#include "wallet/transactions.h"

namespace mcloud::cli {
namespace {

struct Own {
  bot::LedgerView* view;
  pb::Contract contract;
  ContractId id;
  crypto::SigningKey key;
};

// The contract and the key that signs for it.
Result<Own> load_own(Desk& desk, const std::string& reference) {
  bot::LedgerView* view = TRY(desk.ledger());
  std::string name = TRY(desk.key_name());
  pb::Contract contract = TRY(desk.get_contract(reference));
  ContractId id = TRY(ContractId::from_bytes(contract.id()));
  crypto::SigningKey key = TRY(desk.wallet().unlock(name));
  if (key.public_key().view() != contract.owner()) {
    PublicKey owner = TRY(PublicKey::from_bytes(contract.owner()));
    return make_error(Code::Denied, "contract " + contract.name() + " is " + view->name_of(owner) + "'s, and " + name +
                                        " would sign; if you have that key: --key " + view->name_of(owner));
  }
  return Own{view, contract, id, key};
}

Command cancel() {
  struct Options {
    std::string contract;
    bool erase_volumes = false;
  };
  auto options = std::make_shared<Options>();
  Command command("cancel", "end a contract; its volumes are kept");
  command.example("mcloud cancel hello")
      .argument("CONTRACT", "name, or the beginning of its id", options->contract)
      .flag("--erase-volumes", "delete its volumes too, for good", options->erase_volumes)
      .run([options](Desk& desk) -> Status {
        Own own = TRY(load_own(desk, options->contract));
        uint64_t height =
            TRY(bot::send(own.view->client(), own.key, wallet::cancel_contract(own.id, options->erase_volumes)));
        desk.out().document({{"cancelled", own.contract.name()},
                             {"id", own.id.hex()},
                             {"height", height},
                             {"volumes_erased", options->erase_volumes}});
        desk.out().line("cancelled " + own.contract.name() + ", block " + std::to_string(height) +
                        (options->erase_volumes ? "; its volumes are erased" : "; volumes stay on their nodes"));
        return {};
      });
  return command;
}

Result<std::vector<std::string>> stuck_workloads(bot::LedgerView& view, const Own& own) {
  bot::ContractStatus status = TRY(bot::contract_status(view, own.contract));
  std::vector<std::string> names;
  for (const bot::ReplicaStatus& replica : status.replicas) {
    bool listed = !names.empty() && names.back() == replica.workload;
    if (!replica.ready && !listed) names.push_back(replica.workload);
  }
  return names;
}

Command retry() {
  struct Options {
    std::string contract;
    std::string workload;
  };
  auto options = std::make_shared<Options>();
  Command command("retry", "try nodes again that a workload could not run on");
  command.example("mcloud retry hello web")
      .argument("CONTRACT", "name, or the beginning of its id", options->contract)
      .optional_argument("WORKLOAD", "one of its workloads; none: all that are not ready", options->workload)
      .run([options](Desk& desk) -> Status {
        Own own = TRY(load_own(desk, options->contract));
        if (!bot::is_live(own.contract))
          return make_error(Code::Conflict, "contract " + own.contract.name() + " has ended; nothing of it is tried");
        std::vector<std::string> names = {options->workload};
        if (options->workload.empty()) names = TRY(stuck_workloads(*own.view, own));
        std::vector<bot::Action> actions;
        for (const std::string& name : names) actions.push_back({own.key, wallet::retry(own.id, name)});
        uint64_t height = TRY(bot::send_all(own.view->client(), actions));
        desk.out().document({{"retried", names}, {"height", height}});
        for (const std::string& name : names) desk.out().line("trying " + name + " again");
        if (names.empty()) desk.out().line("everything is ready; nothing to retry");
        return {};
      });
  return command;
}

Command reseal() {
  auto contract = std::make_shared<std::string>();
  Command command("reseal", "let nodes that joined open a contract's secrets");
  command.example("mcloud reseal hello")
      .describe("Secrets are sealed for the nodes that were there. After nodes joined, their owner seals them again.")
      .argument("CONTRACT", "name, or the beginning of its id", *contract)
      .run([contract](Desk& desk) -> Status {
        Own own = TRY(load_own(desk, *contract));
        std::string name = TRY(desk.key_name());
        bool changed = TRY(bot::reseal(*own.view, desk.wallet(), own.contract, name));
        desk.out().document({{"resealed", changed}, {"id", own.id.hex()}});
        desk.out().line(changed ? "sealed for every node that may run it" : "sealed for exactly these nodes already");
        return {};
      });
  return command;
}

}  // namespace

Commands end_commands() { return {cancel(), retry(), reseal()}; }

}  // namespace mcloud::cli
