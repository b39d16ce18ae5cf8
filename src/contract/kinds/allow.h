// Inside this room: `allow` of a network, who may open what to whom.
#pragma once

#include <optional>
#include <string>

#include "contract/kinds/kind.h"

namespace mcloud::contract {

namespace allow_bounds {
inline constexpr size_t kWritten = 128;  // in a file
inline constexpr int kSigned = 256;      // with what follows from the other workloads
}  // namespace allow_bounds

// "web -> db:5432", "devices -> web:http/tcp", "device:laptop -> any", "web -> world:443", or {from, to, port, protocol}.
std::optional<AllowRule> read_allow(const Cursor& cursor);
void check_allow(const Contract& contract, const Workload& workload, const Network& network, Report& report);
// As written, in its order; then what would not work without: publications at gateways reach their targets, members of
// a kv each other.
void compile_allow(CompileScope& scope, const Workload& workload, const Network& network, pb::NetworkBody& out);
Status validate_allow(const SignedScope& scope, std::string_view network, const pb::NetworkBody& body);

// "web -> db:5432/tcp".
std::string allow_text(const pb::Allow& allow);

}  // namespace mcloud::contract
