// mcloud approve | reject | accept
#include "bot/decide.h"

#include <nlohmann/json.hpp>

#include "bot/status.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "io/file.h"

namespace mcloud::cli {
namespace {

struct Options {
  pb::Decision decision = pb::DECISION_UNSET;
  std::string contract;
  std::vector<std::string> as;
  std::string reason;
  std::string export_file;
  std::string sign_file;
  std::string import_file;
};

constexpr size_t kFileBytesMax = 2 << 20;

std::string verb(const Options& options) { return std::string(wallet::decision_name(options.decision)); }

// Who signs when nobody is named: the one local key that is asked and has not signed.
Result<std::vector<std::string>> signers(Desk& desk, const Options& options, const wallet::Statement& statement,
                                         const pb::Contract& contract) {
  if (!options.as.empty()) return options.as;
  if (std::string named = desk.named_key(); !named.empty()) return std::vector{named};
  std::vector<std::string> here = TRY(bot::local_signers(desk.wallet(), statement, contract));
  if (here.size() == 1) return here;
  if (here.empty()) {
    return make_error(Code::Denied, "none of the keys on this machine can " + verb(options) + " " + contract.name() +
                                        " (any more); who can: mcloud status " + contract.name());
  }
  std::string names;
  for (const std::string& name : here) names += (names.empty() ? "" : ", ") + name;
  return make_error(Code::Invalid, "as whom? say --as NAME; these keys are here and asked: " + names);
}

Status show(Desk& desk, bot::LedgerView& view, const std::string& reference, uint64_t height) {
  pb::Contract contract = TRY(desk.get_contract(reference));
  const Context* context = TRY(desk.context());
  bot::ContractStatus status = TRY(bot::contract_status(view, contract));
  nlohmann::ordered_json json = json_of(status, view, *context);
  json["height"] = height;
  desk.out().document(json);
  bool accepts = status.has_proposal || status.approvals.reached;
  desk.out().line("done, block " + std::to_string(height) + "; approvals of " + contract.name() + ": " +
                  approvals_text(status.approvals, view));
  if (accepts && status.acceptance.threshold > 0)
    desk.out().line("acceptance: " + approvals_text(status.acceptance, view));
  return {};
}

Result<wallet::CarriedDecision> read_carried(const std::string& path, const Options& options) {
  std::string text = TRY(io::read_file(path, kFileBytesMax));
  wallet::CarriedDecision carried = TRY(wallet::CarriedDecision::parse(text).with_context(path));
  if (carried.statement.decision == options.decision) return carried;
  std::string other(wallet::decision_name(carried.statement.decision));
  return make_error(Code::Invalid, path + " is to " + other + ", so: mcloud " + other + " ...");
}

Status sign_offline(Desk& desk, const Options& options) {
  wallet::CarriedDecision carried = TRY(read_carried(options.sign_file, options));
  std::string signer = options.as.empty() ? carried.signer.hex() : options.as[0];
  crypto::SigningKey key = TRY(desk.wallet().unlock(signer));
  TRY(carried.sign(key));
  TRY(io::write_file(options.sign_file, carried.to_json(), io::Durability::Fsync, 0600));
  desk.out().document({{"signed", options.sign_file},
                       {"signer", carried.signer.hex()},
                       {"contract", carried.statement.subject.contract.hex()}});
  desk.out().line("signed; carry it back and: mcloud " + verb(options) + " --import " + options.sign_file);
  return {};
}

Status import(Desk& desk, const Options& options) {
  wallet::CarriedDecision carried = TRY(read_carried(options.import_file, options));
  if (!carried.is_signed()) {
    return make_error(Code::Invalid,
                      options.import_file + " is not signed yet: mcloud " + verb(options) + " --sign FILE");
  }
  bot::LedgerView* view = TRY(desk.ledger());
  uint64_t height = TRY(bot::send_carried(*view, carried).with_context(options.import_file));
  return show(desk, *view, carried.statement.subject.contract.hex(), height);
}

Status export_statement(Desk& desk, const Options& options, const wallet::Statement& statement) {
  if (options.as.size() != 1)
    return make_error(Code::Invalid, "--export needs one --as NAME: who shall sign elsewhere");
  bot::LedgerView* view = TRY(desk.ledger());
  PublicKey signer = TRY(view->key_of(options.as[0]));
  wallet::CarriedDecision carried = TRY(bot::carry(*view, statement, signer));
  TRY(io::write_file(options.export_file, carried.to_json(), io::Durability::Fsync, 0600));
  desk.out().document(
      {{"exported", options.export_file}, {"signer", signer.hex()}, {"contract", statement.subject.contract.hex()}});
  desk.out().line("wrote " + options.export_file + "; where the key is: mcloud " + verb(options) + " --sign " +
                  options.export_file);
  return {};
}

Status decide(Desk& desk, const Options& options) {
  if (!options.sign_file.empty()) return sign_offline(desk, options);
  if (!options.import_file.empty()) return import(desk, options);
  if (options.contract.empty())
    return make_error(Code::Invalid, "which contract? mcloud " + verb(options) + " CONTRACT");
  bot::LedgerView* view = TRY(desk.ledger());
  pb::Contract contract = TRY(desk.get_contract(options.contract));
  wallet::Statement statement = TRY(bot::statement_about(*view, contract, options.decision));
  statement.reason = options.reason;
  if (!options.export_file.empty()) return export_statement(desk, options, statement);
  std::vector<std::string> names = TRY(signers(desk, options, statement, contract));
  uint64_t height = TRY(bot::decide_as(*view, desk.wallet(), statement, names));
  return show(desk, *view, to_hex(contract.id()), height);
}

Command decision_command(pb::Decision decision, const char* name, const char* summary) {
  auto options = std::make_shared<Options>();
  options->decision = decision;
  Command command(name, summary);
  command.example("mcloud " + std::string(name) + " hello --as lena")
      .describe(
          "Without --as, the one key of this machine that is asked and has not signed.\n"
          "Without a network where the key is: --export FILE --as NAME here, --sign FILE there, --import FILE here.")
      .optional_argument("CONTRACT", "name, or the beginning of its id", options->contract)
      .option("--as", "NAME", "sign with this key (repeatable)", options->as)
      .option("--export", "FILE", "write the statement to sign elsewhere", options->export_file)
      .option("--sign", "FILE", "sign such a statement, without a network", options->sign_file)
      .option("--import", "FILE", "send such a signed statement", options->import_file)
      .run([options](Desk& desk) { return decide(desk, *options); });
  if (decision == pb::DECISION_REJECT)
    command.option("--reason", "TEXT", "why, for everybody to read", options->reason);
  return command;
}

}  // namespace

Commands decide_commands() {
  return {decision_command(pb::DECISION_APPROVE, "approve", "sign a contract that waits for approvals"),
          decision_command(pb::DECISION_REJECT, "reject", "refuse a contract that waits for approvals"),
          decision_command(pb::DECISION_ACCEPT, "accept", "sign off a contract that runs as agreed")};
}

}  // namespace mcloud::cli
