#include <doctest/doctest.h>

#include <algorithm>

#include "bot/audit.h"
#include "bot/test_ledger.h"
#include "contract/header.h"
#include "contract/secrets.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::bot;

namespace {

ApplyOptions as_ida() {
  ApplyOptions options;
  options.owner = "ida";
  options.timeout_ms = 60'000;
  return options;
}

}  // namespace

TEST_CASE("a contract is planned, applied, followed until ready, and applied again without change") {
  TestLedger world;
  world.add_node("n1");
  world.add_node("n2");

  Draft draft = world.draft(kAlone);
  CHECK(draft.change == Draft::Change::Create);
  CHECK_EQ(draft.readers.size(), 2);
  CHECK_EQ(draft.forecast.size(), 2);
  CHECK_NE(draft.forecast[0].node, draft.forecast[1].node);

  Quiet progress;
  progress.on_standing = [&](const ContractStatus& status) { world.all_healthy(status.id); };
  Applied applied = good(apply(*world.view, world.wallet, world.clock, draft, as_ida(), progress));
  CHECK(applied.status.condition == Condition::Ready);
  CHECK_EQ(applied.status.ready, 2);
  CHECK_GT(applied.approved_ms, 0);
  REQUIRE_EQ(applied.status.published.size(), 1);
  CHECK_EQ(applied.status.published[0].port, 8080);
  CHECK_EQ(applied.status.published[0].where.size(), 2);

  Draft again = world.draft(kAlone);
  CHECK(again.change == Draft::Change::None);
  CHECK(std::ranges::all_of(again.forecast, &Forecast::stays));
  Quiet nothing;
  Applied same = good(apply(*world.view, world.wallet, world.clock, again, as_ida(), nothing));
  CHECK_EQ(same.version, 1);
  CHECK(nothing.steps.empty());
}

TEST_CASE("a changed secret is an update, and is nowhere to be read") {
  TestLedger world;
  world.add_node("n1");
  Quiet progress;
  ApplyOptions options = as_ida();
  options.wait = false;
  Draft first = world.draft(kAlone);
  good(apply(*world.view, world.wallet, world.clock, first, options, progress));
  CHECK_EQ(first.compiled.body_bytes.find("swordfish"), std::string::npos);

  std::string changed = kAlone;
  changed.replace(changed.find("swordfish"), 9, "hedgehogs");
  Draft second = world.draft(changed);
  CHECK(second.change == Draft::Change::Update);
  CHECK_EQ(second.compiled.header.version(), 2);
  for (const std::string& line : contract::format_diff(second.diff)) CHECK_EQ(line.find("hedgehog"), std::string::npos);
  good(apply(*world.view, world.wallet, world.clock, second, options, progress));
  CHECK_EQ(good(world.view->find_contract(second.id))->current().version(), 2);
}

TEST_CASE(
    "without the others' approvals apply ends and says who is missing; a second apply goes on with the same version") {
  TestLedger world;
  world.add_node("n1");
  Quiet progress;
  Draft draft = world.draft(kTwoOfThree);
  Applied waiting = good(apply(*world.view, world.wallet, world.clock, draft, as_ida(), progress));
  CHECK(waiting.status.condition == Condition::Waiting);
  CHECK_EQ(waiting.status.approvals.weight, 1);
  REQUIRE_EQ(waiting.status.approvals.missing_required.size(), 1);
  CHECK_EQ(world.view->name_of(waiting.status.approvals.missing_required[0]), "lena");

  Draft again = world.draft(kTwoOfThree);
  CHECK(again.change == Draft::Change::None);
  ApplyOptions options = as_ida();
  options.approve_as = {"bob", "lena"};
  options.wait = false;
  Applied approved = good(apply(*world.view, world.wallet, world.clock, again, options, progress));
  CHECK(approved.status.state == pb::CONTRACT_ACTIVE);
}

TEST_CASE("more signers than needed are no error: those too many are not sent") {
  TestLedger world;
  world.add_node("n1");
  Quiet progress;
  ApplyOptions options = as_ida();
  options.approve_as = {"lena", "bob"};
  options.wait = false;
  Applied applied = good(apply(*world.view, world.wallet, world.clock, world.draft(kTwoOfThree), options, progress));
  CHECK(applied.status.state == pb::CONTRACT_ACTIVE);
}

TEST_CASE("a contract with secrets can wait for nodes that do not exist yet") {
  TestLedger world;
  Quiet progress;
  ApplyOptions options = as_ida();
  options.wait = false;
  Draft draft = world.draft(kAlone);
  CHECK(draft.forecast[0].node.empty());
  good(apply(*world.view, world.wallet, world.clock, draft, options, progress));
  world.add_node("n1");
  Draft again = world.draft(kAlone);
  CHECK(again.change == Draft::Change::None);
  CHECK_EQ(again.not_readers.size(), 1);
}

TEST_CASE("a contract that nobody can run ends the wait with what it waits for") {
  TestLedger world;
  Quiet progress;
  ApplyOptions options = as_ida();
  options.timeout_ms = 300;
  Result<Applied> applied = apply(*world.view, world.wallet, world.clock, world.draft(kAlone), options, progress);
  REQUIRE_FALSE(applied.has_value());
  CHECK_EQ(applied.error().code, Code::TimedOut);
  CHECK_NE(applied.error().message.find("no node has joined"), std::string::npos);
}

TEST_CASE("who is not asked to sign is refused by name") {
  TestLedger world;
  Quiet progress;
  ApplyOptions options = as_ida();
  options.approve_as = {"lena"};
  options.wait = false;
  Result<Applied> applied = apply(*world.view, world.wallet, world.clock, world.draft(kAlone), options, progress);
  REQUIRE_FALSE(applied.has_value());
  CHECK_EQ(applied.error().code, Code::Denied);
  CHECK_NE(applied.error().message.find("lena"), std::string::npos);
}

TEST_CASE("a rejection ends it with its reason, and the next apply begins anew") {
  TestLedger world;
  Quiet progress;
  Draft draft = world.draft(kTwoOfThree);
  good(apply(*world.view, world.wallet, world.clock, draft, as_ida(), progress));
  pb::Contract record = *good(world.view->find_contract(draft.id));
  wallet::Statement statement = good(statement_about(*world.view, record, pb::DECISION_REJECT));
  statement.reason = "no budget";
  good(decide_as(*world.view, world.wallet, statement, {"lena"}));
  FollowOptions following;
  following.version = 1;
  Result<ContractStatus> ended = follow(*world.view, world.clock, draft.id, following, progress);
  REQUIRE_FALSE(ended.has_value());
  CHECK_EQ(ended.error().code, Code::Denied);
  CHECK_NE(ended.error().message.find("no budget"), std::string::npos);
  Draft next = world.draft(kTwoOfThree);
  CHECK(next.change == Draft::Change::Create);
  CHECK_NE(next.id, draft.id);
}

TEST_CASE("a decision signed without a network is sent by somebody else") {
  TestLedger world;
  world.add_node("n1");
  Quiet progress;
  Draft draft = world.draft(kTwoOfThree);
  good(apply(*world.view, world.wallet, world.clock, draft, as_ida(), progress));
  pb::Contract record = *good(world.view->find_contract(draft.id));
  wallet::Statement statement = good(statement_about(*world.view, record, pb::DECISION_APPROVE));
  wallet::CarriedDecision carried = good(carry(*world.view, statement, world.key("lena").public_key()));
  carried = good(wallet::CarriedDecision::parse(carried.to_json()));
  good(carried.sign(world.key("lena")));
  carried = good(wallet::CarriedDecision::parse(carried.to_json()));
  good(send_carried(*world.view, carried));
  CHECK_EQ(good(world.view->find_contract(draft.id))->current().state(), pb::CONTRACT_ACTIVE);
}

TEST_CASE("nodes that join later can open the secrets after a reseal") {
  TestLedger world;
  world.add_node("n1");
  Quiet progress;
  ApplyOptions options = as_ida();
  options.wait = false;
  Draft draft = world.draft(kAlone);
  good(apply(*world.view, world.wallet, world.clock, draft, options, progress));
  auto record = [&] { return *good(world.view->find_contract(draft.id)); };
  CHECK_FALSE(good(reseal(*world.view, world.wallet, record(), "ida")));
  crypto::SigningKey late = world.add_node("n2");
  CHECK_EQ(reseal(*world.view, world.wallet, record(), "bob").error().code, Code::Denied);
  CHECK(good(reseal(*world.view, world.wallet, record(), "ida")));
  Hash hash = good(Hash::from_bytes(record().keyring_hash()));
  pb::Keyring keyring = good(contract::decode_keyring(good(world.client->get_blob(hash))));
  CHECK(contract::open_keyring(contract::secret_scope("test-1", draft.compiled.header), keyring, late).has_value());
}

TEST_CASE("all that is wrong with a file is said at once") {
  TestLedger world;
  std::string broken = kTwoOfThree;
  broken.replace(broken.find("who: lena"), 9, "who: lina");
  broken.replace(broken.find("./image"), 7, "./omage");
  DraftOutcome outcome =
      good(make_draft(*world.view, world.wallet, world.clock, {world.write_contract(broken), "ida"}));
  CHECK_FALSE(outcome.draft.has_value());
  CHECK_EQ(outcome.diagnostics.size(), 2);
  CHECK_NE(contract::format_diagnostics(outcome.diagnostics).find("lena"), std::string::npos);
}

TEST_CASE("a recipe is drafted with the values of the command line and of a file, its fragment from beside it") {
  TestLedger world;
  world.add_node("n1");
  ContractFile file(world.write_contract(
      "name: \"${who}-web\"\nparameters: {who: {type: name}, copies: {type: number, default: 1, max: 3}, spare: {type: flag, default: true}}\n"
      "include: parts/care.yaml\nworkloads: {web: {kind: container, image: \"oci:./image\", use: careful, replicas: \"${copies}\"}}\n"));
  good(io::make_folders(world.folder / "parts"));
  good(io::write_file(world.folder / "parts/care.yaml", "fields: {careful: {on_node_loss: wait}}\n", io::Durability::None));
  good(io::write_file(world.folder / "mine.yaml", "who: ida\ncopies: 3\n", io::Durability::None));
  file.values_path = world.folder / "mine.yaml";
  file.assignments = {"copies=2"};
  DraftOutcome outcome = good(make_draft(*world.view, world.wallet, world.clock, {file, "ida"}));
  REQUIRE_MESSAGE(outcome.draft.has_value(), contract::format_diagnostics(outcome.diagnostics));
  CHECK_EQ(outcome.draft->compiled.header.name(), "ida-web");
  REQUIRE_EQ(outcome.draft->parameters.size(), 2);  // `spare` stands nowhere
  CHECK_EQ(outcome.draft->parameters[0].value, "2");
  CHECK_EQ(outcome.draft->parameters[0].from, "--set");
  CHECK_EQ(outcome.draft->parameters[1].from, file.values_path + ":1:1");
  CHECK_EQ(contract::find_facets(outcome.draft->compiled.header, "web")->on_node_loss(), pb::NODE_LOSS_WAIT);
  file.assignments = {"copies"};
  CHECK_EQ(read_contract(file).error().code, Code::Invalid);
  file.assignments = {"copies=4"};
  CHECK_EQ(good(read_contract(file)).diagnostics.size(), 1);
}

TEST_CASE("names are found as people say them, and the nearest is suggested") {
  TestLedger world;
  crypto::SigningKey n1 = world.add_node("n1");
  world.add_node("north");
  CHECK_EQ(good(world.view->get_node("n1")).key(), n1.public_key().view());
  CHECK_EQ(good(world.view->get_node("home/n1")).key(), n1.public_key().view());
  CHECK_EQ(good(world.view->get_node(n1.public_key().hex().substr(0, 8))).name(), "n1");
  CHECK_NE(world.view->get_node("nroth").error().message.find("did you mean \"north\""), std::string::npos);
  CHECK_EQ(world.view->get_node("").error().code, Code::NotFound);
  CHECK_NE(world.view->key_of("Ida").error().message.find("\"ida\""), std::string::npos);
  CHECK_EQ(world.view->get_contract("hello", {}).error().code, Code::NotFound);
}

TEST_CASE("the audit tells who did what, refusals too, from signed blocks") {
  TestLedger world;
  Quiet progress;
  Draft draft = world.draft(kTwoOfThree);
  good(apply(*world.view, world.wallet, world.clock, draft, as_ida(), progress));
  Result<uint64_t> refused = send(*world.client, world.key("bob"), wallet::cancel_contract(draft.id, false));
  CHECK_EQ(refused.error().code, Code::Denied);
  AuditOptions options;
  options.endpoints = {world.endpoint()};
  options.contract = draft.id;
  std::vector<AuditEvent> events = good(audit(*world.view, options));
  std::vector<std::string> told;
  for (const AuditEvent& event : events) {
    told.push_back(world.view->name_of(event.who) + " " + event.what +
                   (event.refused ? " refused " + event.refusal : ""));
  }
  std::vector<std::string> expected = {"ida submit", "ida approve"};
  // What the ledger refuses before it is ordered is in no block.
  if (told.size() == 3) expected.push_back("bob cancel refused denied");
  CHECK_EQ(told, expected);
}

TEST_CASE("two programs with one key do not trip over each other's sequence numbers") {
  TestLedger world;
  std::unique_ptr<ledger::Client> other = world.open_client();
  for (int round = 0; round < 5; round++) {
    good(send(*world.client, world.key("ida"), wallet::create_farm("a" + std::to_string(round), "CH")));
    good(send(*other, world.key("ida"), wallet::create_farm("b" + std::to_string(round), "CH")));
  }
  CHECK_EQ(good(world.view->farms()).size(), 11);
}

TEST_CASE("an approver who is unknown or not asked stops an apply before anything is sent") {
  TestLedger world;
  world.add_node("n1");
  Draft draft = world.draft(kTwoOfThree);
  good(world.wallet.create("operator", wallet::Wallet::Passphrase::None));
  for (const char* name : {"lna", "operator"}) {
    Quiet progress;
    ApplyOptions options = as_ida();
    options.approve_as = {name};
    Result<Applied> refused = apply(*world.view, world.wallet, world.clock, draft, options, progress);
    REQUIRE_FALSE(refused.has_value());
    CHECK(progress.steps.empty());
    bool hints = refused.error().message.find("did you mean \"lena\"?") != std::string::npos ||
                 refused.error().message.find("it asks: ") != std::string::npos;
    CHECK_MESSAGE(hints, refused.error().message);
  }
  CHECK(good(world.view->contracts()).empty());
}

TEST_CASE("a key that no member vouched for is told so before anything else") {
  TestLedger world;
  good(world.wallet.create("nina", wallet::Wallet::Passphrase::None));
  Result<DraftOutcome> refused =
      make_draft(*world.view, world.wallet, world.clock, {world.write_contract(kAlone), "nina"});
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().code, Code::Denied);
  CHECK_NE(refused.error().message.find("mcloud identity register nina"), std::string::npos);
}

TEST_CASE("join tokens that were used or revoked are listed as spent") {
  TestLedger world;
  CHECK(good(world.view->spent_tokens()).empty());
  world.add_node("n1");
  uint64_t expires_ms = world.clock.wall_ms() + 60'000;
  pb::SignedJoinToken made = wallet::join_token(world.key("ida"), "test-1", "home", expires_ms);
  auto token = good(wire::decode<pb::JoinToken>(made.token(), "token"));
  good(send(*world.client, world.key("ida"), wallet::revoke_token(token)));
  std::vector<LedgerView::SpentToken> spent = good(world.view->spent_tokens());
  REQUIRE_EQ(spent.size(), 2);
  auto revoked = std::ranges::find(spent, token.nonce(), &LedgerView::SpentToken::nonce);
  REQUIRE(revoked != spent.end());
  CHECK_EQ(revoked->farm, "home");
  CHECK_EQ(revoked->expires_ms, expires_ms);
}
