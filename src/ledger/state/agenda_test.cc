#include "ledger/state/agenda.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

ContractId id_of(uint8_t number) {
  std::array<uint8_t, 32> bytes{};
  bytes[0] = number;
  return ContractId(bytes);
}

}  // namespace

TEST_CASE("what is due comes in order of time, once, and no more than asked for") {
  MemoryState state;
  for (uint64_t time_ms : {300, 100, 200, 400}) {
    agenda::add_due(state, time_ms, keys::Due::Contract, id_of(static_cast<uint8_t>(time_ms / 100)).view());
  }
  agenda::remove_due(state, 400, keys::Due::Contract, id_of(4).view());
  uint64_t next = 0;
  CHECK(agenda::has_pending(state, next));
  CHECK_EQ(next, 100);
  CHECK(agenda::take_due(state, 99, 10).empty());
  auto first = agenda::take_due(state, 250, 1);
  REQUIRE_EQ(first.size(), 1);
  CHECK_EQ(first[0].id, id_of(1).bytes());
  CHECK((first[0].kind == keys::Due::Contract));
  CHECK_EQ(agenda::take_due(state, 250, 10).size(), 1);
  CHECK_EQ(agenda::take_due(state, 1000, 10).size(), 1);
  CHECK_FALSE(agenda::has_pending(state, next));
}

TEST_CASE("a contract that is to be read again stays so, however often it is marked") {
  MemoryState state;
  agenda::mark_revised(state, id_of(1));
  agenda::mark_dirty(state, id_of(1));
  agenda::mark_dirty(state, id_of(2));
  agenda::mark_revised(state, id_of(2));
  agenda::mark_dirty(state, id_of(3));
  uint64_t next = 7;
  CHECK(agenda::has_pending(state, next));
  CHECK_EQ(next, 0);
  auto first = agenda::first_dirty(state, 2);
  REQUIRE_EQ(first.size(), 2);
  CHECK_EQ(first[0].mark, agenda::Mark::Revised);
  CHECK_EQ(first[1].mark, agenda::Mark::Revised);
  for (const agenda::DirtyItem& item : first) agenda::clear_dirty(state, item.contract);
  first = agenda::first_dirty(state, 2);
  REQUIRE_EQ(first.size(), 1);
  CHECK_EQ(first[0].mark, agenda::Mark::Changed);
}

TEST_CASE("each time something becomes free, all that wait are tried once") {
  MemoryState state;
  uint64_t next = 0;
  auto try_waiting = [&](size_t count_max) {
    auto contracts = agenda::first_waiting(state, count_max);
    for (const ContractId& contract : contracts) agenda::set_waiting(state, contract, true);
    return contracts.size();
  };
  agenda::something_freed(state);
  for (uint8_t i = 1; i <= 5; ++i) agenda::set_waiting(state, id_of(i), true);
  CHECK_EQ(try_waiting(10), 0);
  CHECK_FALSE(agenda::has_pending(state, next));
  agenda::something_freed(state);
  CHECK(agenda::has_pending(state, next));
  CHECK_EQ(try_waiting(3), 3);
  agenda::set_waiting(state, id_of(1), false);  // found its place
  agenda::something_freed(state);               // while two are still to be tried
  CHECK_EQ(try_waiting(10), 4);
  CHECK_FALSE(agenda::has_pending(state, next));
  for (uint8_t i = 2; i <= 5; ++i) agenda::set_waiting(state, id_of(i), false);
  agenda::something_freed(state);
  CHECK_FALSE(agenda::has_pending(state, next));
  int left = 0;
  state.each("waiting",
             [&](BytesView key, BytesView) { return left += key == keys::waiting_generation() ? 0 : 1, true; });
  CHECK_EQ(left, 0);
}
