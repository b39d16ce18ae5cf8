#include "network/wireguard_uapi.h"

#include <charconv>

#include "base/ip_prefix.h"

namespace mcloud::network {
namespace {

std::string hex(const WireGuardKey& key) { return to_hex(key.view()); }

Error corrupt(std::string_view line) {
  // Values are not shown: they may be keys.
  return make_error(Code::Corrupt, "wireguard-go answered a line \"" +
                                       std::string(line.substr(0, std::min<size_t>(line.find('='), 40))) +
                                       "\" that cannot be read");
}

template <typename Number>
Result<Number> number(std::string_view text) {
  Number value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return make_error(Code::Corrupt, "no number");
  return value;
}

Result<WireGuardKey> key_of(std::string_view text) {
  Bytes raw = TRY(from_hex(text));
  return WireGuardKey::from_bytes(raw);
}

class DeviceReader {
 public:
  Status take(std::string_view name, std::string_view value) {
    if (name == "errno") return take_outcome(value);
    if (name == "private_key") return store(key_of(value), state_.secret);
    if (name == "listen_port") return store(number<uint16_t>(value), state_.port);
    if (name == "public_key") return start_peer(value);
    if (state_.peers.empty()) return {};  // of the device, not known
    return take_of_peer(name, value);
  }
  bool has_outcome() const { return has_outcome_; }
  ConfigState finish() {
    state_.sort();
    return std::move(state_);
  }

 private:
  template <typename Value>
  Status store(Result<Value> from, Value& to) {
    if (!from.has_value()) return from.error();
    to = std::move(*from);
    return {};
  }

  Status take_outcome(std::string_view value) {
    int64_t code = TRY(number<int64_t>(value));
    has_outcome_ = true;
    if (code == 0) return {};
    return errno_error(static_cast<int>(-code), "wireguard-go");
  }

  Status start_peer(std::string_view value) {
    WireGuardKey key = TRY(key_of(value));
    if (state_.peers.size() >= kPeersMax) return make_error(Code::Exhausted, "wireguard-go has too many peers");
    if (!state_.figures.try_emplace(key).second) return make_error(Code::Corrupt, "a peer is there twice");
    state_.peers.push_back({.key = key});
    return {};
  }

  Status take_of_peer(std::string_view name, std::string_view value) {
    WireGuardPeer& peer = state_.peers.back();
    PeerFigures& figures = state_.figures[peer.key];
    if (name == "preshared_key") return store(key_of(value), peer.preshared);
    if (name == "persistent_keepalive_interval") return store(number<uint16_t>(value), peer.keepalive_s);
    if (name == "rx_bytes") return store(number<uint64_t>(value), figures.received_bytes);
    if (name == "tx_bytes") return store(number<uint64_t>(value), figures.sent_bytes);
    if (name == "last_handshake_time_sec") {
      uint64_t seconds = TRY(number<uint64_t>(value));
      if (seconds > UINT64_MAX / 2000) return make_error(Code::Corrupt, "no time");
      figures.last_handshake_ms += seconds * 1000;
      return {};
    }
    if (name == "last_handshake_time_nsec") {
      figures.last_handshake_ms += TRY(number<uint32_t>(value)) / 1'000'000;
      return {};
    }
    if (name == "endpoint") {
      peer.endpoint = figures.endpoint = TRY(IpEndpoint::parse(value)).text();
      return {};
    }
    if (name != "allowed_ip") return {};
    if (++allowed_ > kAllowedMax) return make_error(Code::Exhausted, "wireguard-go has too many ranges");
    peer.allowed.push_back(TRY(IpPrefix::parse(value)).text());
    return {};
  }

  ConfigState state_;
  size_t allowed_ = 0;
  bool has_outcome_ = false;
};

Result<ConfigState> read_answer(std::string_view text) {
  if (!is_uapi_answer(text)) return make_error(Code::Corrupt, "wireguard-go's answer is not complete");
  text.remove_suffix(1);
  DeviceReader reader;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0 || reader.has_outcome()) return corrupt(line);
    auto taken = reader.take(line.substr(0, equals), line.substr(equals + 1));
    if (taken.has_value()) continue;
    if (reader.has_outcome() || taken.error().code == Code::Exhausted) return taken.error();
    return corrupt(line);
  }
  if (!reader.has_outcome()) return make_error(Code::Corrupt, "wireguard-go's answer does not say how it went");
  return reader.finish();
}

}  // namespace

std::string uapi_set(const ConfigChange& change) {
  std::string out = "set=1\n";
  auto line = [&](const char* name, const std::string& value) { out += std::string(name) + "=" + value + "\n"; };
  if (change.secret.has_value()) line("private_key", hex(*change.secret));
  if (change.port.has_value()) line("listen_port", std::to_string(*change.port));
  for (const PeerChange& peer : change.peers) {
    line("public_key", hex(peer.key));
    if (peer.remove) {
      line("remove", "true");
      continue;
    }
    if (peer.preshared.has_value()) line("preshared_key", hex(*peer.preshared));
    if (!peer.endpoint.empty()) line("endpoint", peer.endpoint);
    for (const std::string& range : peer.allowed) line("allowed_ip", range);
    // Last: it may send at once.
    if (peer.keepalive_s.has_value()) line("persistent_keepalive_interval", std::to_string(*peer.keepalive_s));
  }
  return out + "\n";
}

bool is_uapi_answer(std::string_view text) { return text.ends_with("\n\n"); }

Status parse_uapi_outcome(std::string_view text) {
  TRY(read_answer(text));
  return {};
}

Result<ConfigState> parse_uapi_device(std::string_view text) { return read_answer(text); }

}  // namespace mcloud::network
