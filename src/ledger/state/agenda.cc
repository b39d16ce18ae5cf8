#include "ledger/state/agenda.h"

#include <optional>

#include "ledger/state/records.h"

namespace mcloud::ledger::agenda {
namespace {

const Bytes kFlipped = "flipped";
const Bytes kRevised = "revised";
constexpr size_t kDueIdAt = 4 + 8 + 1;  // "due/" u64be kind

std::optional<Bytes> first_key(const StateReader& state, BytesView prefix) {
  std::optional<Bytes> first;
  state.each(prefix, [&](BytesView key, BytesView) {
    first = Bytes(key);
    return false;
  });
  return first;
}

Mark mark_of(BytesView value) {
  if (value == kRevised) return Mark::Revised;
  return value == kFlipped ? Mark::Flipped : Mark::Changed;
}

uint64_t generation(const StateReader& state) { return load_number(state, keys::waiting_generation()).value_or(0); }

}  // namespace

void add_due(StateWriter& state, uint64_t time_ms, keys::Due kind, BytesView id) {
  state.put(keys::due(time_ms, kind, id), "");
}

void remove_due(StateWriter& state, uint64_t time_ms, keys::Due kind, BytesView id) {
  state.erase(keys::due(time_ms, kind, id));
}

std::vector<DueItem> take_due(StateWriter& state, uint64_t time_ms, size_t count_max) {
  std::vector<Bytes> taken;
  state.each(keys::dues(), [&](BytesView key, BytesView) {
    if (taken.size() == count_max || read_u64_be(key.substr(4, 8)) > time_ms) return false;
    taken.emplace_back(key);
    return true;
  });
  std::vector<DueItem> items;
  for (const Bytes& key : taken) {
    state.erase(key);
    items.push_back({static_cast<keys::Due>(key[kDueIdAt - 1]), key.substr(kDueIdAt)});
  }
  return items;
}

void mark_dirty(StateWriter& state, const ContractId& contract) {
  Bytes key = keys::dirty(contract);
  if (!exists(state, key)) state.put(key, "");
}

void mark_flipped(StateWriter& state, const ContractId& contract) {
  Bytes key = keys::dirty(contract);
  if (state.get(key) != kRevised) state.put(key, kFlipped);
}

void mark_revised(StateWriter& state, const ContractId& contract) { state.put(keys::dirty(contract), kRevised); }

std::vector<DirtyItem> first_dirty(const StateReader& state, size_t count_max) {
  const size_t id_at = keys::dirties().size();
  std::vector<DirtyItem> items;
  state.each(keys::dirties(), [&](BytesView key, BytesView value) {
    if (items.size() == count_max) return false;
    items.push_back({contract_id_of(key.substr(id_at)), mark_of(value)});
    return true;
  });
  return items;
}

void clear_dirty(StateWriter& state, const ContractId& contract) { state.erase(keys::dirty(contract)); }

void set_waiting(StateWriter& state, const ContractId& contract, bool waits) {
  const uint64_t now = generation(state);
  std::optional<uint64_t> at = load_number(state, keys::waiting_at(contract));
  if (waits ? at == now : !at.has_value()) return;
  if (at) state.erase(keys::waiting(*at, contract));
  if (waits) {
    state.put(keys::waiting(now, contract), "");
    store_number(state, keys::waiting_at(contract), now);
  } else {
    state.erase(keys::waiting_at(contract));
  }
}

void something_freed(StateWriter& state) {
  // Nobody waits, or all who wait are still to be tried: then the generation need not grow.
  const uint64_t now = generation(state);
  Bytes current = "waiting/";
  append_u64_be(current, now);
  if (!first_key(state, current)) return;
  store_number(state, keys::waiting_generation(), now + 1);
}

std::vector<ContractId> first_waiting(const StateReader& state, size_t count_max) {
  const uint64_t now = generation(state);
  const size_t number_at = keys::waitings().size();
  std::vector<ContractId> contracts;
  state.each(keys::waitings(), [&](BytesView key, BytesView) {
    if (contracts.size() == count_max || read_u64_be(key.substr(number_at, 8)) >= now) return false;
    contracts.push_back(contract_id_of(key.substr(number_at + 8)));
    return true;
  });
  return contracts;
}

void forget_tokens(StateWriter& state, uint64_t time_ms, size_t count_max) {
  const size_t number_at = keys::token_expiries().size();
  std::vector<Bytes> expired;
  state.each(keys::token_expiries(), [&](BytesView key, BytesView) {
    if (expired.size() == count_max || read_u64_be(key.substr(number_at, 8)) > time_ms) return false;
    expired.emplace_back(key);
    return true;
  });
  for (const Bytes& key : expired) {
    state.erase(key.substr(number_at + 8));
    state.erase(key);
  }
}

bool has_pending(const StateReader& state, uint64_t& next_due_ms) {
  std::optional<Bytes> waiting = first_key(state, keys::waitings());
  const size_t number_at = keys::waitings().size();
  bool untried = waiting && read_u64_be(BytesView(*waiting).substr(number_at, 8)) < generation(state);
  if (untried || first_key(state, keys::dirties())) {
    next_due_ms = 0;
    return true;
  }
  std::optional<Bytes> due = first_key(state, keys::dues());
  if (!due) return false;
  next_due_ms = read_u64_be(BytesView(*due).substr(4, 8));
  return true;
}

}  // namespace mcloud::ledger::agenda
