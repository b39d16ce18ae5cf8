#include "bot/audit_bundle.h"

#include "bot/test_ledger.h"
#include "mcloud/audit.pb.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::bot;

namespace {

// A ledger where ida made farms, bob failed to, and a node was drained.
class AuditedLedger {
 public:
  AuditedLedger() {
    node = ledger.add_node("n1");
    for (const char* farm : {"green", "blue"}) good(send(*ledger.client, ledger.key("ida"), wallet::create_farm(farm, "BE")));
    CHECK_FALSE(send(*ledger.client, ledger.key("bob"), wallet::create_farm("green", "BE")).has_value());
    good(send(*ledger.client, ledger.key("ida"), wallet::drain_node(node.public_key())));
  }

  AuditOptions options() const {
    AuditOptions wanted;
    wanted.endpoints = {ledger.endpoint()};
    return wanted;
  }
  AuditBundle bundle(const AuditOptions& wanted) { return good(make_bundle(*ledger.view, wanted)); }

  TestLedger ledger;
  crypto::SigningKey node = crypto::SigningKey::generate();
};

std::vector<std::string> words(const std::vector<AuditEvent>& events) {
  std::vector<std::string> out;
  for (const AuditEvent& event : events) out.push_back(event.what + (event.refused ? " " + event.refusal : ""));
  return out;
}

pb::AuditBundle open(const Bytes& file) {
  return wire::decode<pb::AuditBundle>(BytesView(file).substr(8), "bundle", kBundleBytesMax).value();
}
Bytes close(const pb::AuditBundle& bundle) { return "MCAUDIT1" + wire::encode(bundle); }

}  // namespace

TEST_CASE("a bundle shows the same events as the ledger, with proven names, to whoever has the validators' keys alone") {
  AuditedLedger audited;
  std::vector<AuditEvent> online = good(audit(*audited.ledger.view, audited.options()));
  AuditBundle made = audited.bundle(audited.options());
  audited.ledger.server.reset();  // nobody to ask any more
  VerifiedBundle bundle = good(verify_bundle(audited.ledger.trust, made.file));
  REQUIRE_EQ(words(bundle.events), words(online));
  CHECK_EQ(words(bundle.events), std::vector<std::string>{"create-farm", "admit-node", "create-farm", "create-farm", "create-farm already-exists",
                                                          "drain-node"});
  for (size_t i = 0; i < online.size(); i++) CHECK_EQ(bundle.events[i].transaction, online[i].transaction);
  CHECK_EQ(bundle.names.at(audited.ledger.key("ida").public_key()), "ida");
  CHECK_EQ(bundle.names.at(audited.node.public_key()), "home/n1");
  CHECK_GE(bundle.newest.height, bundle.events.back().height);
}

TEST_CASE("a person, a node and a time choose what is in it") {
  AuditedLedger audited;
  AuditOptions by_bob = audited.options(), of_node = audited.options(), early = audited.options(), late = audited.options();
  by_bob.who = audited.ledger.key("bob").public_key();
  CHECK_EQ(words(audited.bundle(by_bob).events), std::vector<std::string>{"create-farm already-exists"});
  of_node.node = audited.node.public_key().bytes();
  CHECK_EQ(words(audited.bundle(of_node).events), std::vector<std::string>{"admit-node", "drain-node"});
  early.until_ms = 1;
  CHECK(audited.bundle(early).events.empty());
  late.since_ms = audited.ledger.clock.wall_ms() + 60'000;
  CHECK(audited.bundle(late).events.empty());
  good(verify_bundle(audited.ledger.trust, audited.bundle(early).file));
}

TEST_CASE("no bit of a bundle can be changed") {
  AuditedLedger audited;
  AuditBundle made = audited.bundle(audited.options());
  for (size_t at = 0; at < made.file.size(); at++) {
    Bytes changed = made.file;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
    Result<VerifiedBundle> bundle = verify_bundle(audited.ledger.trust, changed);
    CAPTURE(at);
    REQUIRE_FALSE(bundle.has_value());
    CHECK((bundle.error().code == Code::Denied || bundle.error().code == Code::Invalid));
  }
  for (size_t size : {size_t{0}, size_t{7}, size_t{8}, made.file.size() - 1})
    CHECK_FALSE(verify_bundle(audited.ledger.trust, made.file.substr(0, size)).has_value());
}

TEST_CASE("another validator's ledger, events in another order and a stolen record are refused") {
  AuditedLedger audited;
  AuditBundle made = audited.bundle(audited.options());
  ledger::Trust stranger = audited.ledger.trust;
  stranger.validators[0].set_key(audited.node.public_key().bytes());
  CHECK_EQ(verify_bundle(stranger, made.file).error().code, Code::Denied);

  pb::AuditBundle bundle = open(made.file);
  REQUIRE_GE(bundle.blocks_size(), 2);
  std::swap(*bundle.mutable_blocks(0), *bundle.mutable_blocks(1));
  CHECK_EQ(verify_bundle(audited.ledger.trust, close(bundle)).error().code, Code::Denied);

  bundle = open(made.file);
  bundle.mutable_blocks()->DeleteSubrange(1, 1);  // fewer events are no lie: it never says that it is complete
  CHECK(verify_bundle(audited.ledger.trust, close(bundle)).has_value());

  bundle = open(made.file);
  bundle.set_newest(bundle.blocks(0).head());
  CHECK_EQ(verify_bundle(audited.ledger.trust, close(bundle)).error().code, Code::Denied);

  bundle = open(made.file);
  REQUIRE_GE(bundle.states(0).records_size(), 2);
  bundle.mutable_states(0)->mutable_records(0)->set_value(bundle.states(0).records(1).value());
  CHECK_EQ(verify_bundle(audited.ledger.trust, close(bundle)).error().code, Code::Denied);
}
