// What the end of a block, this one or a later one, must look at: kept in the state, so that every
// validator has the same list and a restart loses none of it.
#pragma once

#include <vector>

#include "ledger/state/keys.h"
#include "ledger/state/state.h"

namespace mcloud::ledger::agenda {

void add_due(StateWriter& state, uint64_t time_ms, keys::Due kind, BytesView id);
void remove_due(StateWriter& state, uint64_t time_ms, keys::Due kind, BytesView id);

struct DueItem {
  keys::Due kind = keys::Due::Contract;
  Bytes id;
};
// Removes and returns what is due at `time_ms`, earliest first, at most `count_max`.
std::vector<DueItem> take_due(StateWriter& state, uint64_t time_ms, size_t count_max);

void mark_dirty(StateWriter& state, const ContractId& contract);
// The same, and all its nodes are to read it again even if nothing moves: its keyring changed, or the
// addresses of a node that runs some of it.
void mark_revised(StateWriter& state, const ContractId& contract);

// What answers in its networks has changed: if it has any, its nodes read it again even if nothing moves.
void mark_flipped(StateWriter& state, const ContractId& contract);

enum class Mark { Changed, Flipped, Revised };  // each says more than the one before
struct DirtyItem {
  ContractId contract;
  Mark mark = Mark::Changed;
};
// Some of them, in order of their ids; they stay marked until clear_dirty().
std::vector<DirtyItem> first_dirty(const StateReader& state, size_t count_max);
void clear_dirty(StateWriter& state, const ContractId& contract);

// Whether a contract waits for something to become free. Idempotent.
void set_waiting(StateWriter& state, const ContractId& contract, bool waits);
// Something became free: all that wait are to be tried again.
void something_freed(StateWriter& state);
// Some of those that wait and were not tried since something became free. set_waiting() says that one was tried.
std::vector<ContractId> first_waiting(const StateReader& state, size_t count_max);

// Forgets join tokens that have expired anyway.
void forget_tokens(StateWriter& state, uint64_t time_ms, size_t count_max);

// Is there work that only time (or the bound per block) holds back? `next_due_ms`: from which block time
// it can be done; 0 = at once. Untouched when the answer is no.
bool has_pending(const StateReader& state, uint64_t& next_due_ms);

}  // namespace mcloud::ledger::agenda
