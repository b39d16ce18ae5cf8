// Keys of the state. A short word, '/', then fixed-size binary ids or a name; docs/reference/ledger.md
// lists what lies under each.
#pragma once

#include "base/ids.h"

namespace mcloud::ledger::keys {

// ---- records people and nodes read -------------------------------------------------------------

Bytes parameters();                          // "parameters"            -> pb::Parameters
Bytes validators();                          // "validators"            -> pb::Genesis.validators as pb::ValidatorSet
Bytes identity(const PublicKey& key);        // "identity/" key         -> pb::Identity
Bytes identity_name(std::string_view name);  // "identity-name/" name   -> 32-byte key
Bytes sequence(const PublicKey& sender);     // "sequence/" key         -> pb::Sequence
Bytes farm(std::string_view name);           // "farm/" name            -> pb::Farm
Bytes node(const NodeId& node);              // "node/" key             -> pb::Node
Bytes node_name(std::string_view farm, std::string_view name);       // "node-name/" farm "/" name -> 32-byte key
Bytes contract(const ContractId& contract);                          // "contract/" id          -> pb::Contract
Bytes contract_name(const PublicKey& owner, std::string_view name);  // "contract-name/" key "/" name -> 32-byte id
Bytes workload(const ContractId& contract, std::string_view name);   // "workload/" id "/" name -> pb::Workload
Bytes workloads(const ContractId& contract);                         // prefix of the above
Bytes assignment(const NodeId& node);                                // "assignment/" key       -> pb::Assignment

Bytes relays();                              // "relays"                -> pb::Relays
// Nodes that have a key for relays and are none; relays read this list when its revision changes.
Bytes guest(const NodeId& node);             // "guest/" key            -> height u64be at which it published last
Bytes guests();                              // prefix of the above
Bytes guests_revision();                     // "guests-revision"       -> height u64be of the last change of any; none: 0
Bytes name(std::string_view name);           // "name/" name            -> pb::NamedRecord
Bytes name_of(const PublicKey& owner, std::string_view name);  // "name-of/" key "/" name -> "": a person's names
Bytes names_of(const PublicKey& owner);                        // prefix of the above

// A version that is no longer current but that some replica still runs (a rolling update is on its way).
Bytes header(const ContractId& contract, uint64_t version);  // "header/" id u64be -> pb::ContractHeader, verbatim
Bytes headers(const ContractId& contract);                   // prefix of the above

// ---- what the state machine remembers for itself -----------------------------------------------
// Indexes, so that no block looks at all nodes or all contracts. u64be sorts as the number does.

// A join token of this farm that was used or revoked. Nonces of different farms are apart, so that no
// farm's owner can revoke another's token. Kept until the token's expiry.
Bytes token(std::string_view farm, BytesView nonce);  // "token/" nonce "/" farm -> expiry u64be
// The same tokens by expiry, to forget them.
Bytes token_expiry(uint64_t expires_ms, BytesView token_key);  // "token-expiry/" u64be token key -> ""
Bytes token_expiries();                                        // prefix of the above

// Work that becomes due at a time of a block: what to look at again.
enum class Due : char {
  Contract = 'c',  // a back-off or a waiting period of it ends
  Expiry = 'e',    // approvals of its proposed version come too late from now on
  Node = 'n',      // fenced: decide whether it is a mass loss
};
Bytes due(uint64_t time_ms, Due kind, BytesView id);  // "due/" u64be kind id    -> ""
Bytes dues();                                         // prefix of the above

// Contracts whose placement must be looked at, at the end of this block or, when that is full, the next.
Bytes dirty(const ContractId& contract);  // "dirty/" id             -> "", "flipped" or "revised": agenda.h
Bytes dirties();                          // prefix of the above

// Contracts with something that found no place. Each time something becomes free, the generation grows;
// those of older generations are tried again, some per block, and then join the current one.
Bytes waiting(uint64_t generation, const ContractId& contract);  // "waiting/" u64be id -> ""
Bytes waitings();                                                // prefix of the above
Bytes waiting_at(const ContractId& contract);                    // "waiting-at/" id        -> its generation u64be
Bytes waiting_generation();                                      // "waiting-generation"    -> u64be

Bytes unsettled(const NodeId& node);  // "unsettled/" key: fenced; when it is decided whether it is a mass loss u64be
// A validator's last vote against the node in its present epoch.
Bytes suspicion(const NodeId& node, BytesView validator);  // "suspicion/" node validator -> time u64be
Bytes suspicions(const NodeId& node);                      // prefix of the above
Bytes reported(const NodeId& node);  // "reported/" key         -> when its next batch of results is due u64be
Bytes crowd(const NodeId& node);     // "crowd/" key            -> how many replicas it holds u64be; none: 0
Bytes crowds();                      // prefix of the above
// Nodes on which local data of a contract may lie: every node that was given a bound replica.
Bytes kept(const ContractId& contract, const NodeId& node);  // "kept/" id key   -> ""
Bytes kept_of(const ContractId& contract);                   // prefix of the above
// The highest epoch that removed replicas of a workload ever had: should there be such replicas again, theirs
// go on from it, as what was removed may still run somewhere.
Bytes epoch_floor(const ContractId& contract, std::string_view workload);  // "epoch-floor/" id "/" name -> u64be
Bytes epoch_floors(const ContractId& contract);                            // prefix of the above
Bytes vni(uint32_t number);  // "vni/" u32be            -> contract id: the network number is taken
Bytes next_vni();            // "next-vni"              -> u64be: where to look for a free one
Bytes node_number(uint32_t number);      // "node-number/" u32be    -> node key: the number is taken
Bytes next_node_number();                // "next-node-number"      -> u64be: all below are taken
Bytes mesh_key(BytesView key);           // "mesh-key/" key         -> node key: who published it
Bytes published(const NodeId& node);     // "published/" key        -> when its next set of keys is due u64be
Bytes name_count(const PublicKey& key);  // "name-count/" key       -> how many names it owns u64be; none: 0

}  // namespace mcloud::ledger::keys
