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
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace mcloud::network {

// 32 bytes: secret, public or preshared. Zero = none.
struct WireGuardKey {
  std::array<uint8_t, 32> bytes{};
  static WireGuardKey make_secret();  // clamped X25519
  WireGuardKey public_key() const;    // of a secret
  static Result<WireGuardKey> from_base64(std::string_view text);
  static Result<WireGuardKey> from_bytes(BytesView bytes);
  std::string base64() const;
  BytesView view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  bool is_none() const;
  auto operator<=>(const WireGuardKey&) const = default;
};

// Addresses, ranges and endpoints are canonical text, as base/ip_prefix.h writes it.
struct WireGuardPeer {
  WireGuardKey key;
  WireGuardKey preshared;            // zero = none
  std::string endpoint;              // "192.0.2.1:51820", "[2001:db8::1]:51820"; "" = it calls us, and roams
  std::vector<std::string> allowed;  // "198.18.0.4/32", "fd00::/64"; sorted; no two peers of a device share one
  uint16_t keepalive_s = 0;
  bool is_routed = true;  // packets to its ranges leave through this device, also where another one has the same ranges
  // It has gone where somebody else has our key too: session and endpoint are forgotten as it goes, so that we do not call
  // it back from there. It may call again.
  bool has_left = false;
  bool operator==(const WireGuardPeer&) const = default;
};

struct WireGuardDevice {
  std::string name;                    // at most 15 characters
  std::string netns;                   // where the device goes; its socket stays in the node's. "" = the node's
  WireGuardKey secret;
  uint16_t port = 0;                   // UDP, in the node's namespace
  std::vector<std::string> addresses;  // "198.18.0.4/32"; sorted
  int mtu = 1420;
  std::vector<WireGuardPeer> peers;  // sorted by key
  // > 0: packets *from* its addresses leave through it, by this routing table. For several devices that share ranges.
  uint32_t table = 0;
  bool operator==(const WireGuardDevice&) const = default;
};

struct PeerFigures {
  uint64_t last_handshake_ms = 0;  // since 1970; 0 = never
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  std::string endpoint;  // the one in use
};

// A range and the routing table in which it leads into a device; 0 = the main one.
struct DeviceRoute {
  std::string range;
  uint32_t table = 0;
  auto operator<=>(const DeviceRoute&) const = default;
};

struct ActualDevice {
  WireGuardDevice device;  // endpoints: those in use; is_routed and has_left say nothing
  std::set<DeviceRoute> routes;
  std::map<WireGuardKey, PeerFigures> figures;
  bool is_userspace = false;
};

// ---- difference, pure ------------------------------------------------------------------------

// Without peers and routes. Removes what is left of an incomplete one.
struct CreateDevice {
  WireGuardDevice device;
};
struct RemoveDevice {
  std::string name, netns;
};
// All but peers and routes.
struct SetDevice {
  WireGuardDevice device;
};
// Ranges that no peer of the device is to have any more.
struct DropRanges {
  std::string name, netns;
  std::vector<std::string> ranges;
};
// Adds or changes: ranges that another peer had move to this one, those it had already stay. "" as endpoint leaves the
// one in use. An endpoint is set only when the peer is new or the wish names another one than was wished before, so that
// roaming is not undone.
struct SetPeers {
  std::string name, netns;
  std::vector<WireGuardPeer> peers;
};
struct RemovePeers {
  std::string name, netns;
  std::vector<WireGuardKey> keys;
};
// Replaces routes that lead elsewhere, in one go.
struct SetRoutes {
  std::string name, netns;
  std::vector<DeviceRoute> routes;
};
// Only where they lead into this device.
struct RemoveRoutes {
  std::string name, netns;
  std::vector<DeviceRoute> routes;
};
using WireGuardStep =
    std::variant<CreateDevice, RemoveDevice, SetDevice, DropRanges, SetPeers, RemovePeers, SetRoutes, RemoveRoutes>;

// The routes that a device is to have.
std::set<DeviceRoute> routes_of(const WireGuardDevice& device);

// `before` is the wish that was fulfilled last (empty after a restart: then endpoints that differ are set). What is new or
// moves comes first, device by device in the order of the wish, each with its routes; then what goes: nothing that stays is
// interrupted.
std::vector<WireGuardStep> wireguard_steps(const std::vector<WireGuardDevice>& desired,
                                           const std::vector<WireGuardDevice>& before,
                                           const std::vector<ActualDevice>& actual);
std::string describe(const WireGuardStep& step);

// ---- the machine -----------------------------------------------------------------------------

// Needs root. Works in the calling thread's network namespace, always the same one. Blocks: creating a device of
// wireguard-go takes up to 2 s, everything else some ms. For one thread at a time.
class WireGuard {
 public:
  struct Options {
    std::string netns_folder = "/run/netns";
    std::string uapi_folder = "/run/wireguard";  // wireguard-go's sockets; it knows no other place
    bool force_userspace = false;                // tests
  };
  // Unsupported, with what to install, when there is neither the kernel's device nor wireguard-go.
  static Result<std::unique_ptr<WireGuard>> open(const Options& options);
  virtual ~WireGuard() = default;

  virtual bool is_kernel() const = 0;
  // Devices of ours ("mwg*", "mwg-relay", "access") that are complete, in the node's namespace, in that of the mesh,
  // and in those that apply() was told of. A device whose wireguard-go has died or does not answer is not among them.
  virtual Result<std::vector<ActualDevice>> read() = 0;
  virtual Status execute(const WireGuardStep& step) = 0;
  // read, steps, execute; goes on past a device that fails and returns the first error. The number of steps done.
  // Devices of namespaces that are not there (yet) fail. Those of a namespace that `desired` names no more are removed.
  virtual Result<size_t> apply(const std::vector<WireGuardDevice>& desired) = 0;
  // False when a device that apply() made has lost its wireguard-go since; costs a system call per device.
  virtual bool is_alive() = 0;
};

}  // namespace mcloud::network
