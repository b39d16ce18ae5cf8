#include "network/wireguard_config.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/box.h"
#include "crypto/x25519.h"

namespace mcloud::network {

WireGuardKey WireGuardKey::make_secret() {
  Bytes secret = crypto::make_x25519_secret();
  WireGuardKey out;
  std::copy(secret.begin(), secret.end(), out.bytes.begin());
  crypto::wipe(secret);
  return out;
}

WireGuardKey WireGuardKey::public_key() const {
  auto key = crypto::x25519_public(view());
  CHECK(key.has_value());  // it has 32 bytes
  WireGuardKey out;
  std::copy(key->begin(), key->end(), out.bytes.begin());
  return out;
}

Result<WireGuardKey> WireGuardKey::from_base64(std::string_view text) {
  auto raw = mcloud::from_base64(text);
  if (!raw.has_value() || raw->size() != 32) {
    return make_error(Code::Invalid, "a WireGuard key is 44 characters of base64, as `wg genkey` writes it");
  }
  return from_bytes(*raw);
}

Result<WireGuardKey> WireGuardKey::from_bytes(BytesView raw) {
  WireGuardKey out;
  if (raw.size() != out.bytes.size()) {
    return make_error(Code::Invalid, "a WireGuard key has 32 bytes, not " + std::to_string(raw.size()));
  }
  std::copy(raw.begin(), raw.end(), out.bytes.begin());
  return out;
}

std::string WireGuardKey::base64() const { return to_base64(view()); }
bool WireGuardKey::is_none() const { return *this == WireGuardKey(); }

void ConfigState::sort() {
  for (WireGuardPeer& peer : peers) std::sort(peer.allowed.begin(), peer.allowed.end());
  std::sort(peers.begin(), peers.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
}

ConfigChange drop_ranges(const std::vector<std::string>& ranges, const WireGuardKey& passing) {
  ConfigChange change;
  change.peers.push_back({.key = passing, .allowed = ranges});
  change.peers.push_back({.key = passing, .remove = true});
  return change;
}

}  // namespace mcloud::network
