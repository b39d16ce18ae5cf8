// A bug that a test build plants (ARCHITECTURE 5): the tests of this folder must catch it. No product build defines the
// macro.
#pragma once

namespace mcloud::ledger::planted {

#ifdef MCLOUD_PLANTED_BUG_FSYNC
inline constexpr bool kNoSync = true;  // blocks are acknowledged without being durable
#else
inline constexpr bool kNoSync = false;
#endif

}  // namespace mcloud::ledger::planted
