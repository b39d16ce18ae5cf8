// Bugs that a test build plants (ARCHITECTURE 5): the tests of this room must catch each. No product build defines the
// macros.
#pragma once

namespace mcloud::gateway::planted {

#ifdef MCLOUD_PLANTED_BUG_GATEWAY_RETRY
inline constexpr bool kRetriesAll = true;  // a POST whose answer is empty is sent again
#else
inline constexpr bool kRetriesAll = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_GATEWAY_BODY
inline constexpr bool kNoBodyBound = true;  // body_max is not enforced
#else
inline constexpr bool kNoBodyBound = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_GATEWAY_CERTIFICATE
inline constexpr bool kAllNamesOfCertificates = true;  // a certificate is shown for all names in it, another contract's too
#else
inline constexpr bool kAllNamesOfCertificates = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_GATEWAY_WINDOW
inline constexpr bool kNoWindow = true;  // a peer may send more than it was granted
#else
inline constexpr bool kNoWindow = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_GATEWAY_PIN
inline constexpr bool kNoPin = true;  // any node's key is believed
#else
inline constexpr bool kNoPin = false;
#endif

}  // namespace mcloud::gateway::planted
