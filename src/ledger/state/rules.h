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
// Backplane: an IPv4 address; uplink: one or "".
Status check_addresses(const pb::NodeAddresses& addresses);
// 32-byte keys, sorted, unique, at most `count_max`.
Status check_keys(std::string_view what, const google::protobuf::RepeatedPtrField<std::string>& keys, int count_max);
// Ranges of every parameter; governors sorted.
Status check_parameters(const pb::Parameters& parameters);

}  // namespace mcloud::ledger
