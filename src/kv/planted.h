// Bugs that a test build plants (ARCHITECTURE 5): the tests of this room must catch each. No product build defines the
// macros.
#pragma once

namespace mcloud::kv::planted {

#ifdef MCLOUD_PLANTED_BUG_KV_FSYNC
inline constexpr bool kNoSync = true;  // writes are acknowledged without being durable
#else
inline constexpr bool kNoSync = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_EPOCH
inline constexpr bool kNoEpoch = true;  // a deposed writer may write on
#else
inline constexpr bool kNoEpoch = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_CRC
inline constexpr bool kNoCheck = true;  // every record counts as sound
#else
inline constexpr bool kNoCheck = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_REPLIES
inline constexpr bool kRepliesFirst = true;  // replies leave before what they acknowledge is written
#else
inline constexpr bool kRepliesFirst = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_ROUND
inline constexpr bool kNoOwnWrites = true;  // a read does not see what the same round wrote
#else
inline constexpr bool kNoOwnWrites = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_HALVES
inline constexpr bool kNoTogether = true;  // a transaction becomes visible key by key
#else
inline constexpr bool kNoTogether = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_PROMISE
inline constexpr bool kForgetsPromises = true;  // a promised term is in memory only
#else
inline constexpr bool kForgetsPromises = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_ACK
inline constexpr bool kAcksUnsynced = true;  // a follower says that it has what it has only received
#else
inline constexpr bool kAcksUnsynced = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_MERGE
inline constexpr bool kMergesTails = true;  // two logs count as the same wherever both have something
#else
inline constexpr bool kMergesTails = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_KV_GENERATION
inline constexpr bool kNoGeneration = true;  // a master that was opened again goes on under its old generation
#else
inline constexpr bool kNoGeneration = false;
#endif

}  // namespace mcloud::kv::planted
