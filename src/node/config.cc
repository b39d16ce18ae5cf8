#include "node/config.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/file.h"
#include "network/address.h"
#include "wire/json.h"

namespace mcloud::node {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kCacheBytesMin = 64ull << 20;  // some images' start
constexpr uint64_t kCacheBytesMax = 20ull << 30;

Error wrong(const std::string& key, const std::string& allowed) {
  return make_error(Code::Invalid, key + ": must be " + allowed);
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

Status read_addresses(const Json& json, Config& config) {
  if (json.contains("uplink")) {
    const Json& uplink = *TRY(wire::json_object(json, "uplink"));
    TRY(check_keys(uplink, "uplink.", {"interface", "address"}));
    config.uplink_interface = TRY(wire::json_string(uplink, "interface").with_context("uplink"));
    config.addresses.set_uplink(TRY(address_of(uplink).with_context("uplink")));
  }
  const Json& backplane = *TRY(wire::json_object(json, "backplane"));
  TRY(check_keys(backplane, "backplane.", {"address", "range", "mtu"}));
  config.addresses.set_backplane(TRY(address_of(backplane).with_context("backplane")));
  if (backplane.contains("mtu")) {
    uint64_t mtu = TRY(wire::json_u64(backplane, "mtu"));
    if (mtu < 1280 || mtu > 65'000) return wrong("backplane.mtu", "1280 to 65000");
    config.underlay_mtu = static_cast<int>(mtu);
  }
  if (json.contains("forbidden")) config.forbidden = TRY(strings_of(json, "forbidden"));
  for (const std::string& range : config.forbidden) TRY(network::Range::parse(range).with_context("forbidden"));
  return {};
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
  TRY(check_keys(json, "", {"name", "data", "runtime", "cgroup", "ledger", "trust", "sink", "token", "uplink",
                            "backplane", "forbidden", "capacity", "labels", "services", "image_cache_bytes"}));
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
  if (json.contains("token")) {
    std::string token = TRY(wire::json_string(json, "token"));
    config.token = TRY(from_base64(token).with_context("token"));
  }
  TRY(read_addresses(json, config));
  TRY(read_capacity(json, config.capacity));
  TRY(read_labels(json, config.labels));
  TRY(read_services(json, config.services));
  if (json.contains("image_cache_bytes")) config.image_cache_bytes = TRY(wire::json_u64(json, "image_cache_bytes"));
  if (config.image_cache_bytes != 0 && config.image_cache_bytes < kCacheBytesMin) return wrong("image_cache_bytes", "0, or at least 67108864");
  return config;
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
