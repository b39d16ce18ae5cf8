// Rules for what people name: each message says what is allowed.
#pragma once

#include <string_view>

#include "base/result.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// [a-z][a-z0-9-]{1,31}. `what`: "identity name", for the message.
Status check_name(std::string_view what, std::string_view name);
// Two capital letters.
Status check_country(std::string_view country);
// [A-Za-z0-9._-]{1,64}
Status check_chain_id(std::string_view chain_id);
// Every amount at least 1 and far below overflow.
Status check_capacity(const pb::Demand& capacity);
// Sorted by key, unique, at most 64, each part 1 to 63 printable characters without spaces.
Status check_labels(const google::protobuf::RepeatedPtrField<pb::Label>& labels);
// 3 to 40 of a-z, 0-9 and '-', as a DNS label; no "--" at its third place, which DNS keeps for other alphabets.
Status check_public_name(std::string_view name);
// Backplane and uplink: an IPv4 address or "", one of them is there; at most 8 endpoints, each an address once; a hidden
// node is neither relay nor gateway; what a gateway offers. To the first logic the rest is unknown and a backplane is
// needed.
Status check_addresses(const pb::NodeAddresses& addresses, uint64_t logic_version);
// 32-byte keys, sorted, unique, at most `count_max`.
Status check_keys(std::string_view what, const google::protobuf::RepeatedPtrField<std::string>& keys, int count_max);
// Ranges of every parameter; governors sorted.
Status check_parameters(const pb::Parameters& parameters);

}  // namespace mcloud::ledger
