// The state's records by key. Reading one that does not parse is a defect of ours (or a broken disk
// that the tree's hashes did not catch) and ends the process: no validator may go on from it.
#pragma once

#include <optional>

#include "ledger/state/keys.h"
#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

void parse_record(google::protobuf::MessageLite& record, BytesView value, BytesView key);
void store(StateWriter& state, BytesView key, const google::protobuf::MessageLite& record);

template <typename Record>
std::optional<Record> load(const StateReader& state, BytesView key) {
  std::optional<Bytes> value = state.get(key);
  if (!value) return std::nullopt;
  Record record;
  parse_record(record, *value, key);
  return record;
}

bool exists(const StateReader& state, BytesView key);

std::optional<uint64_t> load_number(const StateReader& state, BytesView key);
void store_number(StateWriter& state, BytesView key, uint64_t value);

// Those that always exist after initialize_state().
pb::Parameters load_parameters(const StateReader& state);
pb::ValidatorSet load_validators(const StateReader& state);

// Of bytes the state machine wrote or checked itself.
ContractId contract_id_of(BytesView bytes);
PublicKey key_of(BytesView bytes);
NodeId node_id_of(const pb::Node& node);
pb::ContractHeader parse_header(BytesView header_bytes);

std::optional<pb::Contract> load_contract(const StateReader& state, BytesView id);
std::optional<pb::Node> load_node(const StateReader& state, BytesView id);

}  // namespace mcloud::ledger
