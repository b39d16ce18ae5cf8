#include "node/config.h"

#include <arpa/inet.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "base/ip_prefix.h"
#include "io/file.h"
#include "network/address.h"
#include "wallet/token_text.h"
#include "wire/json.h"

namespace mcloud::node {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kCacheBytesMin = 64ull << 20;  // some images' start
constexpr uint64_t kCacheBytesMax = 20ull << 30;
constexpr size_t kMeshSecretSize = 32;
constexpr size_t kAddressesMax = 8;

Error wrong(const std::string& key, const std::string& allowed) {
  return make_error(Code::Invalid, key + ": must be " + allowed);
}

bool is_label(std::string_view text) {
  auto is_fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), is_fine) && text.front() != '-' &&
         text.back() != '-';
}

bool is_domain(std::string_view text) {
  if (text.size() > 200) return false;
  while (true) {
    size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

// As the kernel wants it.
bool is_interface(std::string_view text) {
  return !text.empty() && text.size() < 16 && text.find_first_of("/ \t\n:") == std::string_view::npos;
}

Status check_keys(const Json& object, const std::string& where, std::initializer_list<std::string_view> allowed) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
      std::string list;
      for (std::string_view one : allowed) list += (list.empty() ? "" : ", ") + std::string(one);
      return make_error(Code::Invalid, where + key + ": unknown key; allowed: " + list);
    }
  }
  return {};
}

Result<std::string> folder_of(const Json& config, std::string_view key) {
  std::string folder = TRY(wire::json_string(config, key));
  if (!folder.starts_with('/') || folder.size() < 2) return wrong(std::string(key), "an absolute path");
  return folder;
}

Result<std::vector<std::string>> strings_of(const Json& object, std::string_view key) {
  std::vector<std::string> strings;
  for (const Json& entry : *TRY(wire::json_array(object, key))) {
    if (!entry.is_string()) return wrong(std::string(key), "a list of texts");
    strings.push_back(entry.get<std::string>());
  }
  return strings;
}

Result<std::string> address_of(const Json& object) {
  std::string address = TRY(wire::json_string(object, "address"));
  TRY(network::Ipv4::parse(address));
  return address;
}

Result<bool> flag_of(const Json& object, const char* key) {
  if (!object.contains(key)) return false;
  if (!object[key].is_boolean()) return wrong(key, "true or false");
  return object[key].get<bool>();
}

bool is_address(const std::string& text) {
  in6_addr scratch{};
  return ::inet_pton(AF_INET, text.c_str(), &scratch) == 1 || ::inet_pton(AF_INET6, text.c_str(), &scratch) == 1;
}

Result<std::vector<std::string>> addresses_of(const Json& object, const char* key) {
  std::vector<std::string> addresses;
  if (object.contains(key)) addresses = TRY(strings_of(object, key));
  if (addresses.size() > kAddressesMax) return wrong(key, "at most " + std::to_string(kAddressesMax) + " addresses");
  for (const std::string& address : addresses) {
    if (!is_address(address)) return wrong(key, "a list of IPv4 or IPv6 addresses, not " + address);
  }
  return addresses;
}

Status read_uplink(const Json& json, Config& config) {
  if (!json.contains("uplink")) return {};
  const Json& uplink = *TRY(wire::json_object(json, "uplink"));
  TRY(check_keys(uplink, "uplink.", {"interface", "address", "endpoints"}));
  config.uplink_interface = TRY(wire::json_string(uplink, "interface").with_context("uplink"));
  config.addresses.set_uplink(TRY(address_of(uplink).with_context("uplink")));
  std::vector<std::string> endpoints = TRY(addresses_of(uplink, "endpoints").with_context("uplink"));
  for (std::string& endpoint : endpoints) config.addresses.add_endpoints(std::move(endpoint));
  return {};
}

Status read_backplane(const Json& json, Config& config) {
  if (!json.contains("backplane")) {
    if (!config.addresses.uplink().empty()) return {};
    return make_error(Code::Invalid, "backplane: must be there when there is no uplink");
  }
  const Json& backplane = *TRY(wire::json_object(json, "backplane"));
  TRY(check_keys(backplane, "backplane.", {"address", "range", "mtu"}));
  config.addresses.set_backplane(TRY(address_of(backplane).with_context("backplane")));
  if (backplane.contains("mtu")) {
    uint64_t mtu = TRY(wire::json_u64(backplane, "mtu"));
    if (mtu < 1280 || mtu > 65'000) return wrong("backplane.mtu", "1280 to 65000");
    config.underlay_mtu = static_cast<int>(mtu);
  }
  return {};
}

Status read_port(const Json& object, const char* key, uint32_t otherwise, const std::function<void(uint32_t)>& set) {
  uint64_t port = object.contains(key) ? TRY(wire::json_u64(object, key).with_context("gateway")) : otherwise;
  if (port < 1 || port > 65'535) return wrong(std::string("gateway.") + key, "1 to 65535");
  set(static_cast<uint32_t>(port));
  return {};
}

Status read_gateway(const Json& json, Config& config) {
  if (!json.contains("gateway")) return {};
  const Json& object = *TRY(wire::json_object(json, "gateway"));
  TRY(check_keys(object, "gateway.", {"domain", "http_port", "https_port", "tunnel_port"}));
  if (config.addresses.uplink().empty()) return wrong("gateway", "on a node with an uplink");
  pb::GatewayOffer& offer = *config.addresses.mutable_gateway();
  offer.set_domain(TRY(wire::json_string(object, "domain").with_context("gateway")));
  if (!is_domain(offer.domain())) return wrong("gateway.domain", "a domain of lower-case labels, such as gw.example");
  TRY(read_port(object, "http_port", 80, [&](uint32_t port) { offer.set_http_port(port); }));
  TRY(read_port(object, "https_port", 443, [&](uint32_t port) { offer.set_https_port(port); }));
  TRY(read_port(object, "tunnel_port", 7443, [&](uint32_t port) { offer.set_tunnel_port(port); }));
  std::set<uint32_t> ports = {offer.http_port(), offer.https_port(), offer.tunnel_port()};
  if (ports.size() != 3) return wrong("gateway", "three different ports");
  config.labels["gateway"] = "yes";
  return {};
}

Status read_bridges(const Json& json, Config& config) {
  if (!json.contains("bridges")) return {};
  for (const auto& [name, interface] : (*TRY(wire::json_object(json, "bridges"))).items()) {
    bool is_good = interface.is_string() && is_interface(interface.get_ref<const std::string&>());
    if (!is_good) return wrong("bridges." + name, "the name of an interface");
    if (!is_label(name)) return wrong("bridges", "names of a-z, 0-9 and '-'");
    config.bridges[name] = interface.get<std::string>();
    config.labels["bridge." + name] = "yes";
  }
  return {};
}

Status read_addresses(const Json& json, Config& config) {
  TRY(read_uplink(json, config));
  TRY(read_backplane(json, config));
  config.addresses.set_hidden(TRY(flag_of(json, "hidden")));
  config.addresses.set_relay(TRY(flag_of(json, "relay")));
  TRY(read_gateway(json, config));
  if (config.addresses.hidden() && config.addresses.relay()) return wrong("relay", "false on a hidden node");
  if (config.addresses.hidden() && config.addresses.has_gateway()) return wrong("gateway", "on a node that is not hidden");
  // Access points of networks are placed where people's devices can call.
  const bool is_called = !config.addresses.hidden() && !config.addresses.uplink().empty();
  if (is_called) config.labels["inbound"] = "yes";
  config.resolvers = TRY(addresses_of(json, "resolver"));
  if (json.contains("forbidden")) config.forbidden = TRY(strings_of(json, "forbidden"));
  for (const std::string& range : config.forbidden) TRY(IpPrefix::parse(range).with_context("forbidden"));
  return {};
}

// It carries the farm's mesh secret, unless it is of the older form.
Status read_token(const Json& json, Config& config) {
  if (!json.contains("token")) return {};
  std::string text = TRY(wire::json_string(json, "token"));
  wallet::CarriedToken carried = TRY(wallet::parse_token_text(text).with_context("token"));
  config.token = std::move(carried.token);
  config.mesh_secret = std::move(carried.mesh_secret);
  return {};
}

Status read_mesh_secret(const Json& json, Config& config) {
  if (!json.contains("mesh_secret")) return {};
  std::string text = TRY(wire::json_string(json, "mesh_secret"));
  config.mesh_secret = TRY(from_base64(text).with_context("mesh_secret"));
  return config.mesh_secret.size() == kMeshSecretSize ? Status() : wrong("mesh_secret", "32 bytes in base64");
}

Status read_capacity(const Json& json, pb::Demand& capacity) {
  if (!json.contains("capacity")) return {};
  const Json& object = *TRY(wire::json_object(json, "capacity"));
  TRY(check_keys(object, "capacity.", {"cpu_milli", "memory_bytes", "disk_bytes", "pids"}));
  auto number = [&](const char* key) -> Result<uint64_t> {
    return object.contains(key) ? wire::json_u64(object, key).with_context("capacity") : Result<uint64_t>(0);
  };
  capacity.set_cpu_milli(TRY(number("cpu_milli")));
  capacity.set_memory_bytes(TRY(number("memory_bytes")));
  capacity.set_disk_bytes(TRY(number("disk_bytes")));
  capacity.set_pids(TRY(number("pids")));
  return {};
}

Status read_labels(const Json& json, std::map<std::string, std::string>& labels) {
  if (!json.contains("labels")) return {};
  for (const auto& [key, value] : (*TRY(wire::json_object(json, "labels"))).items()) {
    if (!value.is_string()) return wrong("labels." + key, "a text");
    labels[key] = value.get<std::string>();
  }
  return {};
}

Status read_services(const Json& json, std::vector<ServiceConfig>& services) {
  if (!json.contains("services")) return {};
  for (const Json& entry : *TRY(wire::json_array(json, "services"))) {
    if (!entry.is_object()) return wrong("services", "a list of objects");
    TRY(check_keys(entry, "services.", {"name", "command"}));
    ServiceConfig service{.name = TRY(wire::json_string(entry, "name").with_context("services")),
                          .command = TRY(strings_of(entry, "command").with_context("services"))};
    if (service.command.empty()) return wrong("services." + service.name + ".command", "a program at least");
    services.push_back(std::move(service));
  }
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view text) {
  Json json = TRY(wire::parse_json(text, 1 << 20));
  if (!json.is_object()) return make_error(Code::Invalid, "the config must be an object");
  TRY(check_keys(json, "", {"name", "data", "runtime", "cgroup", "ledger", "trust", "sink", "token", "mesh_secret",
                            "uplink", "backplane", "hidden", "relay", "gateway", "resolver", "bridges", "forbidden",
                            "capacity", "labels", "services", "image_cache_bytes"}));
  Config config;
  config.name = TRY(wire::json_string(json, "name"));
  config.data_folder = TRY(folder_of(json, "data"));
  if (json.contains("runtime")) config.runtime_folder = TRY(folder_of(json, "runtime"));
  config.cgroup = TRY(wire::json_string(json, "cgroup"));
  config.ledger = TRY(strings_of(json, "ledger"));
  if (config.ledger.empty()) return wrong("ledger", "a list of at least one endpoint");
  const Json& trust = *TRY(wire::json_object(json, "trust"));
  config.trust = TRY(ledger::Trust::parse(wire::json_text(trust)));
  if (json.contains("sink")) config.sink = TRY(wire::json_string(json, "sink"));
  TRY(read_labels(json, config.labels));
  TRY(read_token(json, config));
  TRY(read_mesh_secret(json, config));
  TRY(read_addresses(json, config));
  TRY(read_bridges(json, config));
  TRY(read_capacity(json, config.capacity));
  TRY(read_services(json, config.services));
  if (json.contains("image_cache_bytes")) config.image_cache_bytes = TRY(wire::json_u64(json, "image_cache_bytes"));
  if (config.image_cache_bytes != 0 && config.image_cache_bytes < kCacheBytesMin) return wrong("image_cache_bytes", "0, or at least 67108864");
  return config;
}

std::vector<std::string> forbidden_services(const Config& config) {
  std::vector<std::string> services;
  std::vector<std::string> own = config.ledger;
  own.push_back(config.sink);
  for (const std::string& endpoint : own) {
    if (IpEndpoint::parse(endpoint).has_value()) services.push_back(endpoint);
  }
  return services;
}

uint64_t image_cache_bytes(const Config& config) {
  if (config.image_cache_bytes != 0) return config.image_cache_bytes;
  struct statvfs disk {};
  if (::statvfs(config.data_folder.c_str(), &disk) != 0) return kCacheBytesMin;
  uint64_t tenth = static_cast<uint64_t>(disk.f_blocks) * disk.f_frsize / 10;
  return std::clamp(tenth, kCacheBytesMin, kCacheBytesMax);
}

Result<Config> read_config(const std::string& path) {
  Bytes text = TRY(io::read_file(path, 1 << 20));
  return parse_config(text).with_context(path);
}

Result<pb::Demand> offered_capacity(const Config& config) {
  pb::Demand capacity = config.capacity;
  if (capacity.cpu_milli() == 0) capacity.set_cpu_milli(static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))) * 1000);
  if (capacity.memory_bytes() == 0) {
    uint64_t all = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
    // A tenth, at least 256 MiB, is the node's own: agent, kernel, page cache.
    uint64_t own = std::max<uint64_t>(all / 10, 256 << 20);
    capacity.set_memory_bytes(all > own ? all - own : all / 2);
  }
  if (capacity.disk_bytes() == 0) {
    struct statvfs disk {};
    if (::statvfs(config.data_folder.c_str(), &disk) != 0) return errno_error(errno, config.data_folder);
    uint64_t free = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
    capacity.set_disk_bytes(free - free / 10);
  }
  if (capacity.pids() == 0) capacity.set_pids(32'768);
  return capacity;
}

}  // namespace mcloud::node
