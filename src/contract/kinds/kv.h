// `kind: kv`: a key-value database, one master and its followers on nodes of their own. kv_parse.cc reads it,
// kv.cc writes defaults out, kv_validate.cc judges signed bytes.
#pragma once

#include "contract/kinds/kind.h"

namespace mcloud::contract {

extern const Kind kKvKind;

// Bounds that hold in the file and in signed bytes alike.
namespace kv_bounds {
inline constexpr Bounds kSizeBytes = {1ull << 20, 1ull << 48};
inline constexpr Bounds kDiskBytes = {1ull << 20, 1ull << 48};
inline constexpr Bounds kIntervalMs = {10, 3'600'000};
inline constexpr Bounds kKeepLast = {1, 1'000'000'000};
inline constexpr Bounds kKeepNewerMs = {1000, 3650ull * 86'400'000};
inline constexpr Bounds kFollowers = {0, 15};  // members are at most kSetReplicasMax (contract/header.h)
inline constexpr Bounds kMemoryBytes = {16ull << 20, 1ull << 44};
}  // namespace kv_bounds

inline constexpr std::string_view kKvPortName = "kv";  // what a publication may call its port

// Where it listens: as written, else the usual one of its dialect.
uint32_t port_of(const Kv& kv);
// Followers that have a write fsynced before it is acknowledged: as written, else one when there is one and
// writes are to be durable at all.
uint32_t min_replicas_of(const Kv& kv);

// The parts of the kind, for its row in the table.
void parse_kv(MapReader& fields, Workload& workload);
void check_kv(const Contract& contract, const Workload& workload, Report& report);
void compile_kv(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body);
Status validate_kv(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& body);

}  // namespace mcloud::contract
