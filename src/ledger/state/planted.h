// Bugs that a test build plants, one by one (ARCHITECTURE 5): the simulation must catch each. No product
// build defines any of these macros.
#pragma once

namespace mcloud::ledger::planted {

#ifdef MCLOUD_PLANTED_BUG_EPOCH
inline constexpr bool kEpochStays = true;  // a replica that moves keeps its epoch
#else
inline constexpr bool kEpochStays = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_RESULTS
inline constexpr bool kAnyResult = true;  // results are taken whatever their epoch
#else
inline constexpr bool kAnyResult = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_APPROVAL
inline constexpr bool kAnyApproval = true;  // the first approval is enough
#else
inline constexpr bool kAnyApproval = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_CAPACITY
inline constexpr bool kAnyCapacity = true;  // nodes are never full
#else
inline constexpr bool kAnyCapacity = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_ELECTION
inline constexpr bool kAnyElection = true;  // one vote is enough
#else
inline constexpr bool kAnyElection = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_OWNER
inline constexpr bool kAnyOwner = true;  // anybody's contract takes any public name, also one in use
#else
inline constexpr bool kAnyOwner = false;
#endif

}  // namespace mcloud::ledger::planted
