// Inside this room only: what a WireGuard device itself knows, read and changed in the same words whichever way it is
// spoken to (wireguard_uapi.h, wireguard_netlink.h).
#pragma once

#include <optional>

#include "network/wireguard.h"

namespace mcloud::network {

inline constexpr size_t kPeersMax = 1 << 16;     // the protocol's own bound
inline constexpr size_t kAllowedMax = 1 << 20;  // ranges of a device

struct PeerChange {
  WireGuardKey key;
  bool remove = false;
  std::optional<WireGuardKey> preshared;
  std::optional<uint16_t> keepalive_s;
  std::string endpoint;              // "" = stays
  std::vector<std::string> allowed;  // in addition; taken from the peer that has it
};

struct ConfigChange {
  std::optional<WireGuardKey> secret;
  std::optional<uint16_t> port;
  std::vector<PeerChange> peers;
};

struct ConfigState {
  WireGuardKey secret;
  uint16_t port = 0;
  std::vector<WireGuardPeer> peers;  // sorted, as their ranges
  std::map<WireGuardKey, PeerFigures> figures;

  void sort();
};

// A range leaves a peer without the peer's other ranges being taken away for a moment: it is given to a peer that
// exists for this message only. `passing` is that peer's key.
ConfigChange drop_ranges(const std::vector<std::string>& ranges, const WireGuardKey& passing);

}  // namespace mcloud::network
