#include "node/report_book.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::node;

namespace {

Report report(int contract, pb::ReplicaState state, bool is_urgent = true, std::string message = "") {
  Report report;
  report.replica.contract.data()[0] = static_cast<uint8_t>(contract);
  report.replica.workload = "web";
  report.result.set_contract(report.replica.contract.bytes());
  report.result.set_workload("web");
  report.result.set_state(state);
  report.result.set_message(message);
  report.is_urgent = is_urgent;
  return report;
}

}  // namespace

TEST_CASE("the first change goes at once, the next ones wait for a second to pass and go together") {
  ReportBook book;
  book.set({report(1, pb::REPLICA_RUNNING)}, 10'000);
  auto batch = book.take(10'000);
  REQUIRE(batch);
  CHECK(batch->size() == 1);
  book.delivered(10'020);
  book.set({report(1, pb::REPLICA_RESTARTING), report(2, pb::REPLICA_RUNNING)}, 10'100);
  CHECK(!book.take(10'999));
  CHECK(book.next_ms() == 11'000);
  batch = book.take(11'000);
  REQUIRE(batch);
  CHECK(batch->size() == 2);
  CHECK(batch->at(0).state() == pb::REPLICA_RESTARTING);
}

TEST_CASE("nothing is told twice") {
  ReportBook book;
  book.set({report(1, pb::REPLICA_RUNNING)}, 0);
  REQUIRE(book.take(0));
  book.delivered(5);
  book.set({report(1, pb::REPLICA_RUNNING)}, 60'000);
  CHECK(!book.take(60'000));
  CHECK(book.next_ms() == UINT64_MAX);
}

TEST_CASE("a passing state is not told when a better one follows within a second") {
  ReportBook book;
  book.set({report(1, pb::REPLICA_PREPARING, false)}, 0);
  CHECK(!book.take(60));
  book.set({report(1, pb::REPLICA_HEALTHY)}, 80);
  auto batch = book.take(80);
  REQUIRE(batch);
  CHECK(batch->at(0).state() == pb::REPLICA_HEALTHY);
}

TEST_CASE("a passing state that lasts is told after a second, however often its message changes") {
  ReportBook book;
  book.set({report(1, pb::REPLICA_PREPARING, false)}, 0);
  book.set({report(1, pb::REPLICA_PREPARING, false, "image: no answer")}, 600);
  CHECK(!book.take(999));
  CHECK(book.take(1'000));
}

TEST_CASE("only one batch is in flight; a lost one is sent again, with what changed meanwhile") {
  ReportBook book;
  book.set({report(1, pb::REPLICA_RUNNING)}, 0);
  REQUIRE(book.take(0));
  book.set({report(1, pb::REPLICA_HEALTHY)}, 10);
  CHECK(!book.take(5'000));
  book.failed(5'000, false);
  CHECK(!book.take(5'999));
  auto batch = book.take(6'000);
  REQUIRE(batch);
  CHECK(batch->at(0).state() == pb::REPLICA_HEALTHY);
  book.failed(6'000, false);
  CHECK(book.next_ms() == 8'000);
}

TEST_CASE("a wrong sequence number costs no pause") {
  ReportBook book;
  book.set({report(1, pb::REPLICA_RUNNING)}, 0);
  REQUIRE(book.take(0));
  book.failed(10, true);
  CHECK(book.take(10));
}

TEST_CASE("a change while the batch is in flight is told afterwards") {
  ReportBook book;
  book.set({report(1, pb::REPLICA_RUNNING)}, 0);
  REQUIRE(book.take(0));
  book.set({report(1, pb::REPLICA_HEALTHY)}, 10);
  book.delivered(20);
  auto batch = book.take(1'000);
  REQUIRE(batch);
  CHECK(batch->at(0).state() == pb::REPLICA_HEALTHY);
}

TEST_CASE("what the ledger has recorded is not told again, what it forgot is") {
  ReportBook book;
  Report known = report(1, pb::REPLICA_HEALTHY);
  pb::Replica record;
  record.set_state(pb::REPLICA_HEALTHY);
  book.recorded(known.replica, record);
  book.set({known}, 0);
  CHECK(!book.take(0));
  record.set_state(pb::REPLICA_ASSIGNED);  // it was fenced and is back
  book.recorded(known.replica, record);
  book.set({known}, 10);
  REQUIRE(book.take(10));
}

TEST_CASE("what the ledger has written off is not told again until another epoch") {
  ReportBook book;
  Report given_up = report(1, pb::REPLICA_CANNOT_RUN);
  given_up.result.set_epoch(4);
  pb::Replica record;
  record.set_state(pb::REPLICA_STUCK);
  record.set_epoch(4);
  book.set({given_up}, 0);
  book.recorded(given_up.replica, record);
  CHECK(!book.take(0));
  Report again = report(1, pb::REPLICA_PREPARING);
  again.result.set_epoch(5);
  book.set({again}, 10);
  CHECK(book.take(10));
}

TEST_CASE("a member's report is told once, although the record of its replica does not repeat it") {
  ReportBook book;
  Report member = report(1, pb::REPLICA_HEALTHY);
  member.result.set_epoch(2);
  member.result.mutable_set()->set_term(5);
  pb::Replica record;
  record.set_state(pb::REPLICA_HEALTHY);
  record.set_epoch(2);
  book.recorded(member.replica, record);
  book.set({member}, 0);
  CHECK(book.take(0));
  book.delivered(0);
  book.recorded(member.replica, record);
  book.set({member}, 5'000);
  CHECK(!book.take(5'000));
  // As another member it is heard for the first time.
  record.set_epoch(3);
  member.result.set_epoch(3);
  book.recorded(member.replica, record);
  book.set({member}, 10'000);
  CHECK(book.take(10'000));
}
