// WireGuard devices of this machine: wanted as values, read, and changed by difference, so that nothing that stays the
// same loses a packet. The kernel's device by generic netlink where it has one, else wireguard-go by its UAPI socket
// (docs/reference/wireguard.md).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "network/address.h"

namespace mcloud::network {

// 32 bytes: secret, public or preshared. Zero = none.
struct WireGuardKey {
  std::array<uint8_t, 32> bytes{};
  static WireGuardKey make_secret();                       // clamped X25519
  WireGuardKey public_key() const;                         // of a secret
  static Result<WireGuardKey> from_base64(std::string_view text);
  static Result<WireGuardKey> from_bytes(BytesView bytes);
  std::string base64() const;
  bool is_none() const;
  auto operator<=>(const WireGuardKey&) const = default;
};

struct WireGuardPeer {
  WireGuardKey key;
  WireGuardKey preshared;                 // zero = none
  std::string endpoint;                   // "192.0.2.1:51820", "[2001:db8::1]:51820"; "" = it calls us, and roams
  std::vector<std::string> allowed;       // "198.18.0.4/32", "fd00::/64"; sorted
  uint16_t keepalive_s = 0;
  bool operator==(const WireGuardPeer&) const = default;
};

struct WireGuardDevice {
  std::string name;                       // at most 15 characters
  std::string netns;                      // where the device goes; its socket stays in the node's. "" = the node's
  WireGuardKey secret;
  uint16_t port = 0;                      // UDP, in the node's namespace
  std::vector<std::string> addresses;     // "198.18.0.4/32"
  int mtu = 1420;
  std::vector<WireGuardPeer> peers;       // sorted by key
  // Each allowed range of a peer is routed into the device.
};

struct PeerFigures {
  uint64_t last_handshake_ms = 0;         // since 1970; 0 = never
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  std::string endpoint;                   // the one in use
};

struct ActualDevice {
  WireGuardDevice device;                 // endpoints: those in use
  std::map<WireGuardKey, PeerFigures> figures;
  bool is_userspace = false;
};

// ---- difference, pure ------------------------------------------------------------------------

struct CreateDevice { WireGuardDevice device; };   // without peers
struct RemoveDevice { std::string name, netns; };
struct SetDevice { std::string name, netns; WireGuardKey secret; uint16_t port = 0; int mtu = 0; };
// Adds or changes: allowed ranges that another peer had move to this one in the same message. An endpoint is set only when the
// peer is new or the wish names another one than was wished before, so that roaming is not undone.
struct SetPeers { std::string name, netns; std::vector<WireGuardPeer> peers; };
struct RemovePeers { std::string name, netns; std::vector<WireGuardKey> keys; };
using WireGuardStep = std::variant<CreateDevice, RemoveDevice, SetDevice, SetPeers, RemovePeers>;

// `before` is the wish that was fulfilled last (empty after a restart: then endpoints that differ are set).
std::vector<WireGuardStep> wireguard_steps(const std::vector<WireGuardDevice>& desired, const std::vector<WireGuardDevice>& before,
                                           const std::vector<ActualDevice>& actual);
std::string describe(const WireGuardStep& step);

// ---- the machine -----------------------------------------------------------------------------

// Needs root. Works in the calling thread's network namespace, always the same one. Devices of ours are those named "mwg*" and
// "mcloud-relay" in the namespaces it is told of, and access devices (spaces.h). For one thread at a time.
class WireGuard {
 public:
  struct Options {
    std::string netns_folder = "/run/netns";
    std::string uapi_folder = "/run/wireguard";   // wireguard-go's sockets
    bool force_userspace = false;                  // tests
  };
  static Result<std::unique_ptr<WireGuard>> open(const Options& options);
  virtual ~WireGuard() = default;

  virtual bool is_kernel() const = 0;
  virtual Result<std::vector<ActualDevice>> read() = 0;
  virtual Status execute(const WireGuardStep& step) = 0;
  // read, steps, execute; goes on past a step that fails and returns the first error. The number of steps done.
  virtual Result<size_t> apply(const std::vector<WireGuardDevice>& desired) = 0;
};

}  // namespace mcloud::network
