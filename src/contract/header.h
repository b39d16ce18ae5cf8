// The signed bytes of a contract, checked as if an enemy wrote them. The ledger admits a header, a
// node runs a body, only after these functions said yes. Pure, bounded, no kind is named here.
//
// Rules of a header beyond its types (proto/mcloud/contract.proto):
//  - lists are sorted and unique; enums and the parts demand, placement and update are set;
//  - every reference (with, together, apart, spaces) names something that is there;
//  - `with`: the named workloads follow this one, replica by replica. A follower has one leader, leads
//    nobody, and shares its replicas, placement, exclusive, on_* and update, so that leader and followers
//    are one bundle whichever member is looked at;
//  - a leader never says on_node_loss MOVE (what it leads would stay behind), and only leaders and
//    followers say START_EMPTY;
//  - names are DNS labels (contract/web_syntax.h), each needed by one workload;
//  - members stand only in address spaces that take devices, and the owner is none of them;
//  - replicas fit into their address spaces, whose ranges do not overlap.
#pragma once

#include "base/ids.h"
#include "mcloud/contract.pb.h"

namespace mcloud::contract {

inline constexpr uint32_t kFormat = 1;
inline constexpr size_t kNonceSize = 16;
inline constexpr size_t kHeaderBytesMax = 256 << 10;
inline constexpr size_t kBodyBytesMax = 4 << 20;
inline constexpr int kWorkloadsMax = 64;
inline constexpr uint32_t kReplicasMax = 1000;
inline constexpr uint32_t kSetReplicasMax = 16;    // of a workload with Facets.set
inline constexpr int kSignersMax = 32;
inline constexpr uint32_t kWeightMax = 1000;
inline constexpr int kSpacesMax = 16;
inline constexpr int kNamesMax = 16;              // public names of one workload
inline constexpr int kMembersMax = 64;            // people beside the owner whose devices may join an address space
inline constexpr int kListMax = 64;               // farms, labels, claims, ... of one workload
inline constexpr uint64_t kDemandBytesMax = 1ull << 48;  // so that 64 x 1000 of them fit into 64 bits
inline constexpr uint64_t kDemandCpuMilliMax = 1'000'000;
inline constexpr uint64_t kDemandPidsMax = 4'194'304;

// BLAKE2b(owner | nonce).
ContractId contract_id(const PublicKey& owner, BytesView nonce);
ContractId contract_id(const pb::ContractHeader& valid_header);
// BLAKE2b of the bytes as submitted: what approvals sign.
Hash header_hash(BytesView header_bytes);

// Canonical decoding and validate_header(). Invalid names the field and the rule.
Result<pb::ContractHeader> decode_header(BytesView header_bytes);
Status validate_header(const pb::ContractHeader& header);

// The body that `header` (valid) names: hash, canonical decoding and validate_body().
// Corrupt when the hash differs, Invalid when it breaks a rule or disagrees with the header's facets.
Result<pb::ContractBody> decode_body(const pb::ContractHeader& header, BytesView body_bytes);
Status validate_body(const pb::ContractHeader& header, const pb::ContractBody& body);

// What carries a valid network. Versions before encryption left it unset: the bare network on the backplane that they had.
pb::Encryption effective_encryption(const pb::NetworkBody& body);

// nullptr when there is none with this name. Both lists are sorted by name.
const pb::Facets* find_facets(const pb::ContractHeader& header, std::string_view name);
const pb::WorkloadBody* find_body(const pb::ContractBody& body, std::string_view name);

}  // namespace mcloud::contract
