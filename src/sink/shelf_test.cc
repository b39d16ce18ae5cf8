#include "sink/shelf.h"

#include <doctest/doctest.h>

#include "base/log.h"
#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::sink;

namespace {

ContractId contract(int number) {
  ContractId id;
  id.data()[0] = static_cast<uint8_t>(number);
  return id;
}

pb::LogBatch batch(const ContractId& id, size_t bytes = 1'000) {
  pb::LogBatch made;
  made.set_contract(id.bytes());
  made.set_box(Bytes(bytes, 'x'));
  made.set_lines(1);
  return made;
}

Shelf open(const std::string& folder, const ShelfLimits& limits) {
  log::set_level(log::Level::Error);
  auto shelf = Shelf::open(folder, limits);
  REQUIRE_MESSAGE(shelf.has_value(), (shelf.has_value() ? "" : shelf.error().message));
  return std::move(*shelf);
}

size_t count(Shelf& shelf, const ContractId& id) {
  size_t found = 0;
  REQUIRE(shelf.each({.contract = id}, 0, [&](const pb::StoredBatch&) { return ++found > 0; }).has_value());
  return found;
}

std::string sample(Shelf& shelf, const std::string& name) {
  return shelf.metrics(0).at(name).samples.at(0).substr(name.size() + 1);
}

}  // namespace

TEST_CASE("a full sink makes room by what was idle for long, never by what is in use") {
  testing::TemporaryFolder folder;
  ShelfLimits limits{.quota_bytes = 64 << 10, .total_bytes = 128 << 10, .idle_ms = 1'000};
  Shelf shelf = open(folder / "sink", limits);
  for (int i = 0; i < 60; ++i) REQUIRE(shelf.append(NodeId(), batch(contract(1)), 5'000).has_value());
  for (int i = 0; i < 60; ++i) REQUIRE(shelf.append(NodeId(), batch(contract(2)), 5'500).has_value());
  auto refused = shelf.append(NodeId(), batch(contract(3)), 5'900);
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == Code::Exhausted);
  REQUIRE(shelf.append(NodeId(), batch(contract(3)), 6'000).has_value());
  CHECK(count(shelf, contract(1)) == 0);
  CHECK(count(shelf, contract(2)) > 50);
  CHECK(!io::exists(folder / ("sink/logs/" + contract(1).hex())));
  CHECK(sample(shelf, "sink_log_batches_dropped_total") != "0");
}

TEST_CASE("together the rings never hold more than the sink may, and who writes pays for it") {
  testing::TemporaryFolder folder;
  ShelfLimits limits{.quota_bytes = 64 << 10, .total_bytes = 128 << 10, .idle_ms = 1'000'000};
  Shelf shelf = open(folder / "sink", limits);
  // Three small ones are let in, then each wants all of its quota.
  for (int i = 1; i <= 3; ++i) REQUIRE(shelf.append(NodeId(), batch(contract(i)), 5'000).has_value());
  for (int i = 0; i < 60; ++i) {
    REQUIRE(shelf.append(NodeId(), batch(contract(1)), 5'000).has_value());
    REQUIRE(shelf.append(NodeId(), batch(contract(2)), 5'000).has_value());
  }
  for (int i = 0; i < 60; ++i) REQUIRE(shelf.append(NodeId(), batch(contract(3)), 5'000).has_value());
  CHECK(std::stoull(sample(shelf, "sink_log_bytes")) <= limits.total_bytes + (8 << 10));
  CHECK(count(shelf, contract(1)) > 40);
  CHECK(count(shelf, contract(2)) > 40);
  CHECK(count(shelf, contract(3)) >= 1);
}

TEST_CASE("the number of rings is bounded however small they are") {
  testing::TemporaryFolder folder;
  Shelf shelf = open(folder / "sink", {.contracts_max = 2, .idle_ms = 1'000});
  for (int i = 1; i <= 2; ++i) REQUIRE(shelf.append(NodeId(), batch(contract(i)), 5'000).has_value());
  CHECK(!shelf.append(NodeId(), batch(contract(3)), 5'000).has_value());
  CHECK(shelf.append(NodeId(), batch(contract(3)), 6'000).has_value());
}

TEST_CASE("one ring that cannot be read keeps no other from its owner") {
  testing::TemporaryFolder folder;
  {
    Shelf shelf = open(folder / "sink", {});
    REQUIRE(shelf.append(NodeId(), batch(contract(1)), 5'000).has_value());
  }
  REQUIRE(io::make_folders(folder / ("sink/logs/" + contract(2).hex() + "/0000000000000001.seg")).has_value());
  Shelf shelf = open(folder / "sink", {});
  CHECK(count(shelf, contract(1)) == 1);
}
