#include "ledger/state/replica_set.h"

#include <doctest/doctest.h>

#include "ledger/state/test_books.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

pb::Facets set_facets(uint32_t replicas, uint32_t copies) {
  pb::Facets facets = test_facets("db", replicas);
  facets.mutable_placement()->set_spread(pb::SPREAD_REQUIRE);
  facets.set_has_health(true);
  facets.mutable_set()->set_copies(copies);
  return facets;
}

// A farm and one set, whose members say what a test lets them say.
struct SetChain : TestChain {
  pb::ContractHeader header;

  SetChain(int nodes, uint32_t replicas, uint32_t copies) {
    make_farm(nodes);
    header = deploy("c", {set_facets(replicas, copies)});
  }
  pb::SetRecord set() const { return workload(header, "db").set(); }
  std::string node_of(uint32_t index) const { return place_of(header, "db", index); }
  // "0.1,1.1": index and epoch.
  static std::string names(const google::protobuf::RepeatedPtrField<pb::SetMember>& members) {
    std::string text;
    for (const pb::SetMember& member : members) {
      text += (text.empty() ? "" : ",") + std::to_string(member.index()) + "." + std::to_string(member.epoch());
    }
    return text;
  }
  std::string voters() const { return names(set().voters()); }
  // -1 while electing.
  int primary() const { return set().has_primary() ? static_cast<int>(set().primary().index()) : -1; }

  // It has promised the term that is recorded, and is healthy.
  pb::Result said(uint32_t index, uint64_t rank_term, uint64_t position) const {
    pb::Replica record = replica(header, "db", index);
    pb::Result result;
    result.set_contract(contract::contract_id(header).bytes());
    result.set_workload("db");
    result.set_index(index);
    result.set_epoch(record.epoch());
    result.set_version(record.version());
    result.set_state(pb::REPLICA_HEALTHY);
    pb::SetReport& report = *result.mutable_set();
    report.set_term(set().term());
    report.mutable_rank()->set_term(rank_term);
    report.mutable_rank()->set_generation(1);
    report.mutable_rank()->set_position(position);
    report.set_complete(true);
    report.set_voters_revision(set().voters_revision());
    return result;
  }
  TransactionResult say(const pb::Result& result) {
    return report(node_name(replica(header, "db", result.index()).node()), {result});
  }
  // In one block, soon.
  void say_at_once(const std::vector<pb::Result>& results) {
    std::vector<Bytes> transactions;
    for (const pb::Result& result : results) {
      transactions.push_back(sign(node_of(result.index()), [&](pb::Transaction& transaction) {
        *transaction.mutable_report_results()->add_results() = result;
      }));
    }
    block(transactions, 100);
  }
  TransactionResult say(uint32_t index, uint64_t rank_term, uint64_t position) {
    return say(said(index, rank_term, position));
  }
  void all_healthy(uint32_t replicas) {
    for (uint32_t i = 0; i < replicas; ++i) {
      if (!node_of(i).empty() && node(node_of(i)).state() == pb::NODE_ONLINE) say(i, 1, 10);
    }
  }
  pb::Result proposal(const std::vector<uint32_t>& indexes) {
    pb::Result result = said(static_cast<uint32_t>(primary()), set().term(), 100);
    for (uint32_t index : indexes) {
      pb::SetMember& member = *result.mutable_set()->add_proposed_voters();
      member.set_index(index);
      member.set_epoch(replica(header, "db", index).epoch());
    }
    return result;
  }
  void lose(const std::string& node) {
    suspect(node);
    pass(2000);
    settle();
  }
  void check_books() {
    Books books(state());
    CHECK_EQ(books.error(), "");
  }
};

}  // namespace

TEST_CASE("a set is formed when all its replicas are placed, and not before") {
  SetChain chain(2, 3, 2);
  CHECK_FALSE(chain.workload(chain.header, "db").has_set());
  chain.admit("ann", "farm", "n3");
  chain.settle();
  CHECK_EQ(chain.set().term(), 1);
  CHECK_EQ(chain.primary(), 0);
  CHECK_EQ(chain.voters(), "0.1,1.1,2.1");
  CHECK_EQ(chain.set().voters_revision(), 1);
  CHECK_EQ(chain.set().copies(), 2);
  for (uint32_t i = 0; i < 3; ++i) {
    CHECK_EQ(chain.assignment(chain.node_of(i)).contracts(0).revision(), chain.contract(chain.header).revision());
  }
  chain.check_books();
}

TEST_CASE("a set that is formed of fewer replicas than an older version asks copies for has as many copies as voters") {
  SetChain chain(2, 3, 3);
  CHECK_FALSE(chain.workload(chain.header, "db").has_set());
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->set_replicas(2);
    header.mutable_workloads(0)->mutable_set()->set_copies(1);
    *header.mutable_workloads(0)->mutable_demand() = test_demand(3999, 512 << 20);
  });
  chain.settle();
  chain.check_books();
  CHECK_LE(chain.set().copies(), 2);
}

TEST_CASE("what is no set has no record") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("c", {test_facets("web", 2)});
  CHECK_FALSE(chain.workload(header, "web").has_set());
}

TEST_CASE("when the primary's node is lost, enough votes elect the one that has the most") {
  SetChain chain(4, 3, 2);
  chain.all_healthy(3);
  std::string lost = chain.node_of(0);
  chain.suspect(lost);
  CHECK_EQ(chain.primary(), 0);  // its loss is not settled
  chain.pass(2000);
  chain.settle();
  CHECK_EQ(chain.primary(), -1);
  CHECK_EQ(chain.set().term(), 2);
  CHECK_EQ(chain.set().message(), "heard 0 of the 2 voters that are needed; waits for db/0 on node " + lost +
                                      ", which is lost; db/1 on node " + chain.node_of(1) + "; db/2 on node " +
                                      chain.node_of(2));
  CHECK_EQ(chain.node_of(0), lost);  // its data may be needed
  CHECK(chain.say(2, 1, 90).ok);
  CHECK_EQ(chain.primary(), -1);
  CHECK(chain.say(1, 1, 80).ok);
  CHECK_EQ(chain.primary(), 2);
  CHECK_EQ(chain.set().term(), 2);
  CHECK_EQ(chain.set().ballots_size(), 0);
  chain.settle();
  CHECK_NE(chain.node_of(0), lost);  // there is somebody to copy from
  CHECK_EQ(chain.voters(), "0.1,1.1,2.1");
  chain.check_books();
}

TEST_CASE("ranks compare by term, then generation, then position; of equal ones the lowest index is taken") {
  SetChain chain(4, 4, 3);
  chain.all_healthy(4);
  chain.lose(chain.node_of(0));
  chain.say(1, 1, 1000);
  chain.say(3, 2, 5);
  CHECK_EQ(chain.primary(), 3);
  chain.all_healthy(4);
  chain.pass(20'000);  // two at once would be a mass loss
  chain.lose(chain.node_of(3));
  chain.say(1, 1, 1000);
  chain.say(2, 1, 1000);
  CHECK_EQ(chain.primary(), 1);
}

TEST_CASE("a vote counts only at the term that is elected, from a voter, and with a whole copy") {
  SetChain chain(4, 3, 2);
  chain.all_healthy(3);
  chain.lose(chain.node_of(0));
  pb::Result early = chain.said(1, 1, 50);
  early.mutable_set()->set_term(1);
  chain.say(early);
  pb::Result partial = chain.said(1, 1, 50);
  partial.mutable_set()->set_complete(false);
  chain.say(2, 1, 40);
  CHECK_EQ(chain.primary(), -1);
  chain.say(partial);
  CHECK_EQ(chain.primary(), -1);
  CHECK_NE(chain.set().message().find("which is no whole copy"), std::string::npos);
  chain.say(1, 1, 50);
  CHECK_EQ(chain.primary(), 1);
}

TEST_CASE("when every voter has been heard the best whole copy is taken, though some are none") {
  SetChain chain(3, 3, 2);
  chain.all_healthy(3);
  pb::Result partial = chain.said(0, 1, 90);
  partial.mutable_set()->set_term(2);  // somebody's hand began an election
  partial.mutable_set()->set_complete(false);
  chain.say(partial);
  REQUIRE_EQ(chain.primary(), -1);
  pb::Result other = chain.said(2, 1, 80);
  other.mutable_set()->set_complete(false);
  chain.say(other);
  CHECK_EQ(chain.primary(), -1);
  chain.say(1, 1, 50);
  CHECK_EQ(chain.primary(), 1);
}

TEST_CASE("with one copy all that live are heard") {
  SetChain chain(4, 3, 1);
  chain.all_healthy(3);
  chain.lose(chain.node_of(0));
  chain.say(1, 1, 50);
  CHECK_EQ(chain.primary(), -1);
  chain.say(2, 1, 60);
  CHECK_EQ(chain.primary(), 2);
}

TEST_CASE("with one copy who is lost meanwhile is not waited for") {
  SetChain chain(9, 3, 1);
  chain.all_healthy(3);
  chain.lose(chain.node_of(0));
  chain.say(1, 1, 50);
  chain.pass(20'000);
  chain.lose(chain.node_of(2));
  CHECK_EQ(chain.primary(), 1);
}

TEST_CASE("the last primary's vote is enough: it has everything that was acknowledged") {
  SetChain chain(3, 3, 2);
  chain.all_healthy(3);
  std::string lost = chain.node_of(0);
  chain.lose(lost);
  chain.rejoin(lost);
  chain.say(0, 1, 99);
  CHECK_EQ(chain.primary(), 0);
  CHECK_EQ(chain.set().term(), 2);
  CHECK_EQ(chain.node_of(0), lost);
  CHECK_FALSE(chain.set().has_previous());
  // Of others' votes it is only enough when what it has is in them: they may have more.
  chain.lose(lost);
  chain.rejoin(lost);
  chain.say_at_once({chain.said(0, 1, 99), chain.said(1, 1, 100)});
  CHECK_EQ(chain.primary(), 1);
}

TEST_CASE("a primary that gives up is replaced, then its replica goes elsewhere") {
  SetChain chain(4, 3, 2);
  chain.all_healthy(3);
  std::string first = chain.node_of(0);
  chain.report(chain.header, "db", 0, pb::REPLICA_CANNOT_RUN, "disk");
  CHECK_EQ(chain.primary(), -1);
  CHECK_EQ(chain.node_of(0), first);
  chain.say_at_once({chain.said(1, 1, 10), chain.said(2, 1, 10)});
  CHECK_EQ(chain.primary(), 1);
  chain.settle();
  CHECK_NE(chain.node_of(0), first);
}

TEST_CASE("the primary's proposal changes the voters once, on the revision it is based on") {
  SetChain chain(5, 3, 2);
  chain.all_healthy(3);
  chain.lose(chain.node_of(1));
  CHECK_EQ(chain.voters(), "0.1,1.1,2.1");
  CHECK_EQ(chain.replica(chain.header, "db", 1).epoch(), 2);
  pb::Result proposal = chain.proposal({0, 1, 2});
  uint64_t revision = chain.contract(chain.header).revision();
  CHECK(chain.say(proposal).ok);
  CHECK_EQ(chain.voters(), "0.1,1.2,2.1");
  CHECK_EQ(chain.set().voters_revision(), 2);
  CHECK_GT(chain.contract(chain.header).revision(), revision);  // nodes look again
  pb::Result late = chain.proposal({0, 1});
  late.mutable_set()->set_voters_revision(1);
  chain.say(late);
  CHECK_EQ(chain.voters(), "0.1,1.2,2.1");
  chain.check_books();
}

TEST_CASE("a proposal is not taken from others, without the primary, with strangers, or with too few") {
  SetChain chain(4, 3, 2);
  chain.all_healthy(3);
  chain.say(chain.proposal({1, 2}));
  chain.say(chain.proposal({0}));
  pb::Result stranger = chain.proposal({0, 1, 2});
  stranger.mutable_set()->mutable_proposed_voters(2)->set_epoch(9);
  chain.say(stranger);
  pb::Result unsorted = chain.proposal({1, 0});
  chain.say(unsorted);
  pb::Result of_another = chain.proposal({0, 1});
  of_another.set_index(1);
  chain.say(of_another);
  pb::Result many = chain.proposal({0, 1});
  for (uint32_t i = 2; i < 18; ++i) many.mutable_set()->add_proposed_voters()->set_index(i);
  CHECK_FALSE(chain.say(many).ok);
  CHECK_EQ(chain.voters(), "0.1,1.1,2.1");
  CHECK_EQ(chain.set().voters_revision(), 1);
  chain.say(chain.proposal({0, 2}));
  CHECK_EQ(chain.voters(), "0.1,2.1");
}

TEST_CASE("a voter whose copy is in the making is no reason to let another one go") {
  SetChain chain(5, 3, 2);
  chain.all_healthy(3);
  chain.lose(chain.node_of(1));
  pb::Result partial = chain.said(1, 1, 3);
  partial.mutable_set()->set_complete(false);
  chain.say(partial);
  chain.say(chain.proposal({0, 1, 2}));
  REQUIRE_EQ(chain.voters(), "0.1,1.2,2.1");
  std::string home = chain.node_of(2);
  chain.drain(home);
  chain.settle();
  CHECK_EQ(chain.node_of(2), home);
  chain.pass(20'000);
  chain.lose(home);
  CHECK_EQ(chain.node_of(2), home);
  chain.say(1, 1, 10);
  CHECK_EQ(chain.set().partial_size(), 0);
  chain.settle();
  CHECK_NE(chain.node_of(2), home);
}

TEST_CASE("a second lost voter waits until the first one's successor counts") {
  SetChain chain(9, 5, 2);
  chain.all_healthy(5);
  chain.lose(chain.node_of(1));
  CHECK_EQ(chain.replica(chain.header, "db", 1).epoch(), 2);
  chain.pass(20'000);
  std::string lost = chain.node_of(2);
  chain.lose(lost);
  CHECK_EQ(chain.node_of(2), lost);
  CHECK_NE(chain.replica(chain.header, "db", 2).message().find("waits for it, or for a primary"), std::string::npos);
  chain.say(1, 1, 10);
  chain.say(chain.proposal({0, 1, 3, 4}));
  chain.settle();
  CHECK_EQ(chain.voters(), "0.1,1.2,3.1,4.1");
  CHECK_NE(chain.node_of(2), lost);
}

TEST_CASE("a mass loss holds the primary as it holds everything") {
  SetChain chain(3, 3, 2);
  chain.all_healthy(3);
  chain.suspect(chain.node_of(0));
  chain.suspect(chain.node_of(1));
  chain.pass(3000);
  chain.settle();
  CHECK_EQ(chain.primary(), 0);
  CHECK_EQ(chain.set().term(), 1);
  chain.drain(chain.node_of(0));  // the owner says it does not come back
  CHECK_EQ(chain.primary(), -1);
}

TEST_CASE("a voter that has promised more than the recorded term begins an election above it") {
  SetChain chain(3, 3, 2);
  chain.all_healthy(3);
  pb::Result ahead = chain.said(1, 1, 10);
  ahead.mutable_set()->set_term(7);
  chain.say(ahead);
  CHECK_EQ(chain.primary(), -1);
  CHECK_EQ(chain.set().term(), 7);
  CHECK_EQ(chain.set().ballots_size(), 1);
  chain.say(0, 1, 20);
  CHECK_EQ(chain.primary(), 0);
  ahead.mutable_set()->set_term(~0ull);
  CHECK_FALSE(chain.say(ahead).ok);
}

TEST_CASE("an update renews one member at a time in place, the primary last and after an election") {
  SetChain chain(3, 3, 2);
  chain.all_healthy(3);
  std::vector<std::string> nodes = {chain.node_of(0), chain.node_of(1), chain.node_of(2)};
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) { header.set_body_hash(Bytes(32, 'b')); });
  chain.settle();
  CHECK_EQ(chain.voters(), "0.1,1.2,2.1");  // the same data in a new epoch: its seat is kept
  CHECK_EQ(chain.set().voters_revision(), 2);
  CHECK_EQ(chain.primary(), 0);
  chain.say(1, 1, 10);
  chain.settle();
  CHECK_EQ(chain.voters(), "0.1,1.2,2.2");
  CHECK_EQ(chain.primary(), 0);
  chain.say(2, 1, 11);
  chain.settle();
  CHECK_EQ(chain.primary(), -1);  // the others can do without it
  CHECK_EQ(chain.set().term(), 2);
  CHECK_EQ(chain.replica(chain.header, "db", 0).version(), 1);
  chain.say(0, 1, 12);
  CHECK_EQ(chain.primary(), -1);  // it would have to hand over again
  chain.say(1, 1, 12);
  chain.say(2, 1, 12);
  CHECK_EQ(chain.primary(), 1);
  chain.settle();
  CHECK_EQ(chain.voters(), "0.2,1.2,2.2");
  CHECK_EQ(chain.replica(chain.header, "db", 0).version(), 2);
  CHECK_EQ(chain.contract(chain.header).current().reason(), "");
  for (uint32_t i = 0; i < 3; ++i) CHECK_EQ(chain.node_of(i), nodes[i]);
  chain.check_books();
}

TEST_CASE("with one copy the primary is updated in place: an election would lose what only it has") {
  SetChain chain(3, 3, 1);
  chain.all_healthy(3);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) { header.set_body_hash(Bytes(32, 'b')); });
  chain.settle();
  for (int i = 0; i < 3; ++i) {
    chain.all_healthy(3);
    chain.settle();
  }
  CHECK_EQ(chain.set().term(), 1);
  CHECK_EQ(chain.voters(), "0.2,1.2,2.2");
  CHECK_EQ(chain.primary(), 0);
}

TEST_CASE("a drain moves a member only while the others can do without it, and a primary after it handed over") {
  SetChain chain(4, 3, 2);
  chain.all_healthy(3);
  std::string home = chain.node_of(0);
  chain.drain(home);
  chain.settle();
  CHECK_EQ(chain.primary(), -1);
  CHECK_EQ(chain.node_of(0), home);
  chain.say(0, 1, 99);
  CHECK_EQ(chain.primary(), -1);
  chain.say(1, 1, 98);
  chain.say(2, 1, 99);
  CHECK_EQ(chain.primary(), 2);
  chain.settle();
  CHECK_NE(chain.node_of(0), home);
  CHECK_NE(chain.node_of(0), "");
  // The next waits until the first one's copy counts.
  std::string second = chain.node_of(1);
  chain.resume(home);
  chain.drain(second);
  chain.settle();
  CHECK_EQ(chain.node_of(1), second);
  chain.say(0, 2, 10);
  chain.say(chain.proposal({0, 1, 2}));
  chain.settle();
  CHECK_NE(chain.node_of(1), second);
  chain.check_books();
}

TEST_CASE("a set of one waits for its node and is then elected anew") {
  SetChain chain(2, 1, 1);
  chain.header = chain.deploy("lone", {[] {
    pb::Facets facets = set_facets(1, 1);
    facets.set_on_node_loss(pb::NODE_LOSS_WAIT);
    facets.set_exclusive(true);
    return facets;
  }()});
  chain.say(0, 1, 5);
  std::string home = chain.node_of(0);
  chain.lose(home);
  CHECK_EQ(chain.primary(), -1);
  CHECK_EQ(chain.node_of(0), home);
  chain.rejoin(home);
  chain.say(0, 1, 5);
  CHECK_EQ(chain.primary(), 0);
  CHECK_EQ(chain.set().term(), 2);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) { header.set_body_hash(Bytes(32, 'b')); });
  chain.settle();
  CHECK_EQ(chain.voters(), "0.2");
  CHECK_EQ(chain.primary(), 0);
  chain.check_books();
}

TEST_CASE("a set that grows takes the new ones in when the primary says so; more copies count from then on") {
  SetChain chain(5, 2, 1);
  chain.all_healthy(2);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->set_replicas(4);
    header.mutable_workloads(0)->mutable_set()->set_copies(3);
  });
  chain.settle();
  for (int i = 0; i < 4; ++i) {
    chain.all_healthy(4);
    chain.settle();
  }
  CHECK_EQ(chain.replica(chain.header, "db", 0).version(), 2);
  CHECK_EQ(chain.voters(), "0.2,1.1");  // the primary did not wait for those who may need its new version
  CHECK_EQ(chain.set().copies(), 1);  // what was acknowledged so far may have one
  chain.say(chain.proposal({0, 1, 2, 3}));
  CHECK_LT(chain.set().copies(), 3);  // with two voters it could make sure of two copies
  for (int i = 0; i < 4; ++i) {
    chain.all_healthy(4);
    chain.settle();
  }
  chain.say(chain.proposal({0, 1, 2, 3}));
  CHECK_EQ(chain.set().copies(), 3);
  CHECK_EQ(chain.set().voters_size(), 4);
  CHECK_EQ(chain.voters(), "0.2,1.2,2.1,3.1");
  chain.check_books();
}

TEST_CASE("fewer copies count from the moment the primary runs the version that asks for them") {
  SetChain chain(3, 3, 3);
  chain.all_healthy(3);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->mutable_set()->set_copies(1);
  });
  chain.settle();
  chain.say(1, 1, 10);
  chain.settle();
  CHECK_EQ(chain.set().copies(), 3);
  chain.say(2, 1, 10);
  chain.settle();
  REQUIRE_EQ(chain.primary(), -1);
  CHECK_EQ(chain.set().copies(), 3);
  chain.say(2, 1, 10);
  CHECK_EQ(chain.primary(), 2);  // with three copies one vote is enough
  CHECK_EQ(chain.set().copies(), 1);
}

TEST_CASE("more copies are counted on when the primary says so, and it is given a reason to say so") {
  SetChain chain(3, 3, 1);
  chain.all_healthy(3);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->mutable_set()->set_copies(2);
  });
  chain.settle();
  for (int i = 0; i < 4; ++i) {
    chain.all_healthy(3);
    chain.settle();
  }
  CHECK_EQ(chain.voters(), "0.2,1.2,2.0");  // one that nobody is
  CHECK_EQ(chain.set().copies(), 1);
  chain.say(chain.proposal({0, 1, 2}));
  chain.settle();
  CHECK_EQ(chain.voters(), "0.2,1.2,2.2");
  CHECK_EQ(chain.set().copies(), 2);
}

TEST_CASE("where a version promises more than one copy, all voters are waited for as long as it may not be so") {
  SetChain chain(4, 3, 1);
  chain.all_healthy(3);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->mutable_set()->set_copies(2);
  });
  chain.settle();
  for (int i = 0; i < 4; ++i) {
    chain.all_healthy(3);
    chain.settle();
  }
  std::string home = chain.node_of(0);
  chain.lose(home);
  chain.say(1, 1, 10);
  chain.say(2, 1, 10);
  CHECK_EQ(chain.primary(), -1);
  chain.rejoin(home);
  chain.say(0, 1, 11);
  CHECK_EQ(chain.primary(), 0);
}

TEST_CASE("a set that shrinks lets a member go when the others have what it has, a primary after it handed over") {
  SetChain chain(3, 3, 2);
  chain.all_healthy(3);
  chain.lose(chain.node_of(0));
  chain.say(1, 1, 10);
  chain.say(2, 1, 20);
  REQUIRE_EQ(chain.primary(), 2);
  chain.rejoin(chain.node_of(0));
  chain.say(0, 1, 10);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->set_replicas(2);
    header.mutable_workloads(0)->mutable_set()->set_copies(2);
  });
  chain.settle();
  CHECK_EQ(chain.workload(chain.header, "db").replicas_size(), 3);
  for (int i = 0; i < 4 && chain.primary() == 2; ++i) {
    chain.say(0, 2, 20);
    chain.settle();
    chain.say(1, 2, 20);
    chain.settle();
  }
  CHECK_EQ(chain.primary(), -1);
  chain.say(0, 2, 21);
  chain.say(1, 2, 22);
  CHECK_EQ(chain.primary(), 1);
  chain.settle();
  CHECK_EQ(chain.workload(chain.header, "db").replicas_size(), 2);
  chain.say(chain.proposal({0, 1}));
  CHECK_EQ(chain.set().voters_size(), 2);
  chain.check_books();
}

TEST_CASE("a set that shrinks to one member goes there by and by, wherever its primary is") {
  SetChain chain(3, 3, 2);
  chain.all_healthy(3);
  std::string home = chain.node_of(0);
  chain.lose(home);
  chain.say(1, 1, 10);
  chain.say(2, 1, 20);
  REQUIRE_EQ(chain.primary(), 2);
  chain.rejoin(home);
  chain.say(0, 1, 10);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->set_replicas(1);
    header.mutable_workloads(0)->mutable_set()->set_copies(1);
    header.mutable_workloads(0)->set_on_node_loss(pb::NODE_LOSS_WAIT);
  });
  chain.settle();
  CHECK_EQ(chain.node_of(1), "");  // the first that can be done without
  CHECK_EQ(chain.primary(), 2);
  chain.say(0, 2, 20);
  chain.say(chain.proposal({0, 2}));
  chain.settle();
  CHECK_EQ(chain.primary(), -1);  // now it can hand over
  chain.say(0, 2, 21);
  CHECK_EQ(chain.primary(), 0);
  chain.settle();
  chain.say(chain.proposal({0}));
  chain.settle();
  CHECK_EQ(chain.workload(chain.header, "db").replicas_size(), 1);
  CHECK_EQ(chain.set().voters_size(), 1);
  CHECK_EQ(chain.set().copies(), 1);
  chain.check_books();
}

TEST_CASE("a set that shrinks keeps as many members as its primary needs, until that asks for fewer") {
  SetChain chain(4, 3, 3);
  chain.all_healthy(3);
  chain.lose(chain.node_of(0));
  chain.say(1, 1, 20);
  chain.say(2, 1, 10);
  REQUIRE_EQ(chain.primary(), 1);
  chain.settle();
  chain.say(0, 2, 20);  // at another place: a stranger so far
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->set_replicas(1);
    header.mutable_workloads(0)->mutable_set()->set_copies(1);
    header.mutable_workloads(0)->set_on_node_loss(pb::NODE_LOSS_WAIT);
  });
  chain.settle();
  CHECK_NE(chain.node_of(2), "");
  chain.say(0, 2, 20);
  chain.say(chain.proposal({0, 1, 2}));
  chain.settle();
  CHECK_EQ(chain.primary(), -1);
  chain.say(0, 2, 20);
  chain.settle();
  CHECK_EQ(chain.primary(), 0);
  CHECK_EQ(chain.workload(chain.header, "db").replicas_size(), 1);
  chain.check_books();
}

TEST_CASE("a primary hands over only where it will not be elected again") {
  SetChain chain(3, 2, 1);
  chain.all_healthy(2);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->mutable_set()->set_copies(2);
  });
  chain.settle();
  for (int i = 0; i < 3; ++i) {
    chain.all_healthy(2);
    chain.settle();
  }
  CHECK_EQ(chain.voters(), "0.2,1.0");
  chain.drain(chain.node_of(0));
  chain.settle();
  CHECK_EQ(chain.primary(), 0);
  chain.say(chain.proposal({0, 1}));
  chain.settle();
  CHECK_EQ(chain.set().copies(), 2);
  CHECK_EQ(chain.primary(), -1);
  chain.say(1, 1, 10);
  CHECK_EQ(chain.primary(), 1);
}

TEST_CASE("with one copy a primary on a node that drains hands over, though it has the most") {
  SetChain chain(3, 2, 1);
  chain.all_healthy(2);
  std::string home = chain.node_of(0);
  chain.drain(home);
  chain.settle();
  REQUIRE_EQ(chain.primary(), -1);
  chain.say(0, 1, 99);
  chain.say(1, 1, 98);
  CHECK_EQ(chain.primary(), 1);
  chain.settle();
  CHECK_NE(chain.node_of(0), home);
}

TEST_CASE("a set of two becomes one in place when the first is its primary") {
  SetChain chain(2, 2, 2);
  chain.all_healthy(2);
  chain.header = chain.upgrade(chain.header, [](pb::ContractHeader& header) {
    header.mutable_workloads(0)->set_replicas(1);
    header.mutable_workloads(0)->mutable_set()->set_copies(1);
    header.mutable_workloads(0)->set_on_node_loss(pb::NODE_LOSS_WAIT);
  });
  chain.settle();
  chain.say(0, 1, 10);
  chain.settle();
  CHECK_EQ(chain.primary(), 0);
  CHECK_EQ(chain.workload(chain.header, "db").replicas_size(), 1);
  CHECK_EQ(chain.set().copies(), 1);
}

TEST_CASE("a cancelled set leaves nothing behind, and every node that had a copy erases it when asked") {
  SetChain chain(4, 3, 2);
  chain.all_healthy(3);
  std::string lost = chain.node_of(1);
  chain.lose(lost);
  REQUIRE_NE(chain.node_of(1), lost);
  chain.cancel(chain.header, true);
  chain.settle();
  CHECK_FALSE(chain.workload(chain.header, "db").has_set());
  for (const char* node : {"n1", "n2", "n3", "n4"}) {
    REQUIRE_EQ(chain.assignment(node).contracts_size(), 1);
    CHECK(chain.assignment(node).contracts(0).erase_volumes());
  }
}
