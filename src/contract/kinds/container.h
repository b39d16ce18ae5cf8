// `kind: container`: processes from an image, in replicas. container_parse.cc reads it, container_compile.cc
// writes defaults out, container_validate.cc judges signed bytes.
#pragma once

#include "contract/kinds/kind.h"

namespace mcloud::contract {

extern const Kind kContainerKind;

// Bounds that hold in the file and in signed bytes alike.
namespace container_bounds {
inline constexpr size_t kVariables = 256;
inline constexpr size_t kMounts = 64;
inline constexpr size_t kSecretFiles = 64;
inline constexpr size_t kPorts = 64;
inline constexpr size_t kArguments = 256;
inline constexpr size_t kNetworks = 8;
inline constexpr size_t kImageSigners = 16;
inline constexpr Bounds kCpuMilli = {1, 1'000'000};
inline constexpr Bounds kMemoryBytes = {6ull << 20, 1ull << 44};  // runtimes need some 6 MiB to start
inline constexpr Bounds kDiskBytes = {1ull << 20, 1ull << 48};
inline constexpr Bounds kPids = {1, 4'194'304};
inline constexpr Bounds kFiles = {16, 1'048'576};
inline constexpr Bounds kTmpfsBytes = {4096, 1ull << 44};
inline constexpr Bounds kSecretMode = {0, 0777};
inline constexpr Bounds kIntervalMs = {100, 3'600'000};
inline constexpr Bounds kTimeoutMs = {10, 600'000};
inline constexpr Bounds kStartPeriodMs = {0, 86'400'000};
inline constexpr Bounds kRetries = {1, 100};
inline constexpr Bounds kBackoffMs = {10, 3'600'000};
inline constexpr Bounds kTries = {0, 1'000'000};
inline constexpr Bounds kStopGraceMs = {0, 3'600'000};

inline constexpr uint64_t kDefaultMemoryBytes = 128ull << 20;
}  // namespace container_bounds

// The parts of the kind, for its row in the table.
void parse_container(MapReader& fields, Workload& workload);
void check_container(const Contract& contract, const Workload& workload, Report& report);
void compile_container(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body);
Status validate_container(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& body);

// By name or number; nullptr when the container has no such port.
bool is_named(const Port& port, std::string_view name_or_number);
const Port* find_port(const Container& container, std::string_view name_or_number);
bool mounts_volume(const Container& container);
bool writes_volume(const Container& container);

}  // namespace mcloud::contract
