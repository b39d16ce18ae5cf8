#include "ledger/state/records.h"

#include <google/protobuf/message_lite.h>

#include "base/check.h"
#include "wire/canonical.h"

namespace mcloud::ledger {

void parse_record(google::protobuf::MessageLite& record, BytesView value, [[maybe_unused]] BytesView key) {
  CHECK(record.ParseFromArray(value.data(), static_cast<int>(value.size())));
}

void store(StateWriter& state, BytesView key, const google::protobuf::MessageLite& record) {
  state.put(key, wire::encode(record));
}

bool exists(const StateReader& state, BytesView key) { return state.get(key).has_value(); }

std::optional<uint64_t> load_number(const StateReader& state, BytesView key) {
  std::optional<Bytes> value = state.get(key);
  if (!value) return std::nullopt;
  CHECK(value->size() == 8);
  return read_u64_be(*value);
}

void store_number(StateWriter& state, BytesView key, uint64_t value) {
  Bytes bytes;
  append_u64_be(bytes, value);
  state.put(key, std::move(bytes));
}

pb::Parameters load_parameters(const StateReader& state) {
  auto parameters = load<pb::Parameters>(state, keys::parameters());
  CHECK(parameters.has_value());
  return *std::move(parameters);
}

pb::ValidatorSet load_validators(const StateReader& state) {
  auto validators = load<pb::ValidatorSet>(state, keys::validators());
  CHECK(validators.has_value());
  return *std::move(validators);
}

ContractId contract_id_of(BytesView bytes) {
  Result<ContractId> id = ContractId::from_bytes(bytes);
  CHECK(id.has_value());
  return *id;
}

PublicKey key_of(BytesView bytes) {
  Result<PublicKey> key = PublicKey::from_bytes(bytes);
  CHECK(key.has_value());
  return *key;
}

NodeId node_id_of(const pb::Node& node) { return key_of(node.key()); }

pb::ContractHeader parse_header(BytesView header_bytes) {
  pb::ContractHeader header;
  CHECK(header.ParseFromArray(header_bytes.data(), static_cast<int>(header_bytes.size())));
  return header;
}

std::optional<pb::Contract> load_contract(const StateReader& state, BytesView id) {
  Result<ContractId> contract = ContractId::from_bytes(id);
  if (!contract) return std::nullopt;
  return load<pb::Contract>(state, keys::contract(*contract));
}

std::optional<pb::Node> load_node(const StateReader& state, BytesView id) {
  Result<NodeId> node = NodeId::from_bytes(id);
  if (!node) return std::nullopt;
  return load<pb::Node>(state, keys::node(*node));
}

}  // namespace mcloud::ledger
