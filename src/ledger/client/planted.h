// A bug that a test build plants (ARCHITECTURE 5): the tests of this folder must catch it. No product build defines the
// macro.
#pragma once

namespace mcloud::ledger::planted {

#ifdef MCLOUD_PLANTED_BUG_PROOF
inline constexpr bool kAnyProof = true;  // what a server says is believed
#else
inline constexpr bool kAnyProof = false;
#endif

}  // namespace mcloud::ledger::planted
