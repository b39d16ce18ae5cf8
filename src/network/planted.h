// Bugs that a test build plants, one by one: a test of this room must notice each. No product build defines any of these
// macros.
#pragma once

namespace mcloud::network::planted {

#ifdef MCLOUD_PLANTED_BUG_NETWORK_ALLOW
inline constexpr bool kAnybodyIn = true;  // what no rule of `allow` names is let through
#else
inline constexpr bool kAnybodyIn = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_NETWORK_SPOOF
inline constexpr bool kAnyVoice = true;  // a member speaks under any IPv4 address
#else
inline constexpr bool kAnyVoice = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_NETWORK_VNI
inline constexpr bool kAnyNetwork = true;  // a node that is a peer in one network is heard in all
#else
inline constexpr bool kAnyNetwork = false;
#endif

#ifdef MCLOUD_PLANTED_BUG_NETWORK_REVOKED
inline constexpr bool kRevokedStay = true;  // who is a peer of a WireGuard device stays one
#else
inline constexpr bool kRevokedStay = false;
#endif

}  // namespace mcloud::network::planted
