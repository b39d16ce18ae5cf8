#include "ledger/state/rules.h"

#include <algorithm>

#include "ledger/state/addresses.h"
#include "ledger/state/logic.h"

namespace mcloud::ledger {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

Status invalid(std::string message) { return make_error(Code::Invalid, std::move(message)); }

Status check_range(std::string_view what, uint64_t value, uint64_t lowest, uint64_t highest) {
  if (value >= lowest && value <= highest) return {};
  return invalid(std::string(what) + " is " + std::to_string(value) + ", allowed: " + std::to_string(lowest) + " to " +
                 std::to_string(highest));
}

bool is_label_part(std::string_view text) {
  return !text.empty() && text.size() <= 63 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '='; });
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

// Leaves room for a name in front of it.
bool is_dns_name(std::string_view text) {
  constexpr size_t kDomainBytesMax = 200;
  if (text.size() > kDomainBytesMax) return false;
  for (size_t dot; (dot = text.find('.')) != std::string_view::npos; text.remove_prefix(dot + 1)) {
    if (!is_dns_label(text.substr(0, dot))) return false;
  }
  return is_dns_label(text);
}

Status check_gateway(const pb::GatewayOffer& gateway) {
  if (!is_dns_name(gateway.domain())) {
    return invalid("addresses: gateway.domain must be a DNS name in lower case, like gw.example");
  }
  TRY(check_range("addresses: gateway.http_port", gateway.http_port(), 1, 65535));
  TRY(check_range("addresses: gateway.https_port", gateway.https_port(), 1, 65535));
  TRY(check_range("addresses: gateway.tunnel_port", gateway.tunnel_port(), 1, 65535));
  const bool are_apart = gateway.http_port() != gateway.https_port() && gateway.http_port() != gateway.tunnel_port() &&
                         gateway.https_port() != gateway.tunnel_port();
  return are_apart ? Status() : invalid("addresses: the gateway's ports must be three different ones");
}

// How others reach the node, and what it does for them.
Status check_reach(const pb::NodeAddresses& addresses) {
  constexpr int kEndpointsMax = 8;
  if (addresses.endpoints_size() > kEndpointsMax) {
    return invalid("addresses: there are " + std::to_string(addresses.endpoints_size()) + " endpoints, allowed: " +
                   std::to_string(kEndpointsMax));
  }
  for (int i = 0; i < addresses.endpoints_size(); ++i) {
    if (!is_reachable_address(addresses.endpoints(i))) {
      return invalid("addresses: an endpoint is an IPv4 or IPv6 address that others can reach, without port");
    }
    if (std::find(addresses.endpoints().begin(), addresses.endpoints().begin() + i, addresses.endpoints(i)) !=
        addresses.endpoints().begin() + i) {
      return invalid("addresses: endpoint " + addresses.endpoints(i) + " is there twice");
    }
  }
  if (addresses.hidden() && addresses.relay()) return invalid("addresses: a hidden node cannot be a relay");
  if (addresses.hidden() && addresses.has_gateway()) return invalid("addresses: a hidden node cannot be a gateway");
  return addresses.has_gateway() ? check_gateway(addresses.gateway()) : Status();
}

}  // namespace

Status check_name(std::string_view what, std::string_view name) {
  bool good = name.size() >= 2 && name.size() <= 32 && is_lower(name[0]) &&
              std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
  if (good) return {};
  return invalid(std::string(what) +
                 ": allowed are 2 to 32 of a-z, 0-9 and '-', the first one a letter");
}

Status check_country(std::string_view country) {
  auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (country.size() == 2 && is_upper(country[0]) && is_upper(country[1])) return {};
  return invalid("country: allowed are the two capital letters of ISO 3166, like BE");
}

Status check_chain_id(std::string_view chain_id) {
  auto allowed = [](char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
  };
  if (!chain_id.empty() && chain_id.size() <= 64 && std::all_of(chain_id.begin(), chain_id.end(), allowed)) return {};
  return invalid("chain id: allowed are 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'");
}

Status check_capacity(const pb::Demand& capacity) {
  constexpr uint64_t kMost = 1ull << 56;  // sums of bundles stay far below 2^64
  TRY(check_range("capacity: cpu_milli", capacity.cpu_milli(), 1, kMost));
  TRY(check_range("capacity: memory_bytes", capacity.memory_bytes(), 1, kMost));
  TRY(check_range("capacity: disk_bytes", capacity.disk_bytes(), 1, kMost));
  return check_range("capacity: pids", capacity.pids(), 1, kMost);
}

Status check_labels(const google::protobuf::RepeatedPtrField<pb::Label>& labels) {
  if (labels.size() > 64) return invalid("labels: there are " + std::to_string(labels.size()) + ", allowed: 64");
  const std::string* previous = nullptr;
  for (const pb::Label& label : labels) {
    if (!is_label_part(label.key()) || !is_label_part(label.value())) {
      return invalid("labels: keys and values are 1 to 63 printable characters without spaces and '='");
    }
    if (previous != nullptr && *previous >= label.key()) return invalid("labels: must be sorted by key and unique");
    previous = &label.key();
  }
  return {};
}

Status check_public_name(std::string_view name) {
  bool good = name.size() >= 3 && name.size() <= 40 && is_dns_label(name) && name.substr(2, 2) != "--";
  if (good) return {};
  return invalid("name: allowed are 3 to 40 of a-z, 0-9 and '-', not '-' at an end nor \"--\" at the third place");
}

Status check_addresses(const pb::NodeAddresses& addresses, uint64_t logic_version) {
  const bool has_networks = logic_version >= kLogicNetworks;
  const bool may_lack_backplane = has_networks && !addresses.uplink().empty();
  if (!(addresses.backplane().empty() && may_lack_backplane) && !parse_ipv4(addresses.backplane())) {
    return invalid(has_networks ? "addresses: backplane must be an IPv4 address, or empty when there is an uplink"
                                : "addresses: backplane must be an IPv4 address");
  }
  if (!addresses.uplink().empty() && !parse_ipv4(addresses.uplink())) {
    return invalid("addresses: uplink must be an IPv4 address or empty");
  }
  if (has_networks) return check_reach(addresses);
  if (addresses.endpoints().empty() && !addresses.hidden() && !addresses.relay() && !addresses.has_gateway()) return {};
  return invalid("addresses: endpoints, hidden, relay and gateway need logic version " + std::to_string(kLogicNetworks) +
                 " of the ledger");
}

Status check_keys(std::string_view what, const google::protobuf::RepeatedPtrField<std::string>& keys, int count_max) {
  if (keys.size() > count_max) {
    return invalid(std::string(what) + ": there are " + std::to_string(keys.size()) + ", allowed: " +
                   std::to_string(count_max));
  }
  for (int i = 0; i < keys.size(); ++i) {
    if (keys[i].size() != 32) return invalid(std::string(what) + ": a key has 32 bytes");
    if (i > 0 && keys[i - 1] >= keys[i]) return invalid(std::string(what) + ": must be sorted and unique");
  }
  return {};
}

Status check_parameters(const pb::Parameters& parameters) {
  constexpr uint64_t kDay = 86'400'000;
  TRY(check_range("fence_after_ms", parameters.fence_after_ms(), 500, 10 * 60'000));
  TRY(check_range("mass_loss_window_ms", parameters.mass_loss_window_ms(), 1000, kDay));
  TRY(check_range("tries_max", parameters.tries_max(), 1, 100));
  TRY(check_range("exclusion_ms", parameters.exclusion_ms(), 100, kDay));
  TRY(check_range("logic_version", parameters.logic_version(), 1, UINT32_MAX));
  if (parameters.next_logic_version() == 0 && parameters.next_logic_height() != 0) {
    return invalid("next_logic_height is set without next_logic_version");
  }
  if (parameters.next_logic_version() != 0 && parameters.next_logic_version() != parameters.logic_version() + 1) {
    return invalid("next_logic_version is " + std::to_string(parameters.next_logic_version()) + ", allowed: 0 or " +
                   std::to_string(parameters.logic_version() + 1));
  }
  return check_keys("governors", parameters.governors(), 64);
}

}  // namespace mcloud::ledger
