// Inside this room only: a field that holds a secret, as people write it and as it is signed. Which fields
// of a workload hold secrets is said here, once.
#pragma once

#include <functional>
#include <optional>

#include "contract/field_reader.h"
#include "mcloud/contract.pb.h"

namespace mcloud::contract {

// `env:NAME`, `file:PATH` or `value:TEXT`.
std::optional<Placed<SecretReference>> read_secret(const Cursor& cursor);
// A box that could hold a secret.
Status check_secret(const pb::Secret& secret, const std::string& field);
// Calls `act` with each secret of the workload and its field (SecretPlace::field).
void each_secret(const pb::WorkloadBody& workload,
                 const std::function<void(const std::string& field, const pb::Secret& secret)>& act);

}  // namespace mcloud::contract
