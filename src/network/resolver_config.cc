#include "network/resolver_config.h"

#include <algorithm>
#include <iterator>

#include "network/firewall.h"

namespace mcloud::network {
namespace {

constexpr uint32_t kClientsMin = 16;
// A command is one message. Only the records of a single workload may make one longer.
constexpr size_t kChangeBytesMax = 60'000;

// Small on purpose: what it holds is next door anyway, other names come from the upstream.
constexpr const char* kLimits = R"(  num-threads: 1
  module-config: "iterator"
  msg-cache-size: 512k
  rrset-cache-size: 1m
  infra-cache-numhosts: 200
  outgoing-range: 256
  num-queries-per-thread: 128
  incoming-num-tcp: 32
  tcp-idle-timeout: 5000
  edns-buffer-size: 1232
  minimal-responses: yes
  hide-identity: yes
  hide-version: yes
  do-not-query-localhost: no
  use-syslog: no
  verbosity: 0
  access-control: 0.0.0.0/0 refuse
  access-control: ::/0 refuse
  access-control: 198.19.0.0/16 allow
  access-control: fd6d:6300:7472::/112 allow
  ip-freebind: yes
  local-zone: "internal." static
)";

std::string name_of(const std::string& record) { return record.substr(0, record.find(' ')); }

// 350 bytes each in every view. 100.64.0.0/10 would be 64 more.
const std::vector<std::string>& own_zones() {
  static const std::vector<std::string> zones = [] {
    std::vector<std::string> out = {"internal.", "10.in-addr.arpa.", "168.192.in-addr.arpa.", "d.f.ip6.arpa."};
    for (int i = 16; i < 32; ++i) out.push_back(std::to_string(i) + ".172.in-addr.arpa.");
    return out;
  }();
  return zones;
}

// A network asks from two addresses and sees one view.
std::vector<std::string> sources_of(Ipv4 client) {
  std::vector<std::string> out = {client.text() + "/32"};
  uint32_t offset = client.value - transit_network_address(0).value;
  bool is_transit = client >= transit_network_address(0) && offset % 2 == 0 && offset / 2 < kTransitsMax;
  if (is_transit) out.push_back(transit_network_address6(offset / 2).text() + "/128");
  return out;
}

std::string view_text(const ResolverOptions& options, Ipv4 client) {
  // view-first: what is in none of these zones is looked for in the server's own, so that its list of other ranges that
  // are nobody's is held once and not for each view.
  std::string out = "view:\n  name: \"" + client.text() + "\"\n  view-first: yes\n";
  for (const std::string& zone : own_zones()) out += "  local-zone: \"" + zone + "\" static\n";
  return out + "  local-zone: \"in-addr.arpa.\" transparent\n  local-zone: \"ip6.arpa.\" transparent\n  include: \"" +
         resolver_data_file(options, client) + "*\"\n";
}

}  // namespace

std::string resolver_zone_of(const std::string& name) {
  for (const std::string& zone : own_zones()) {
    if (name.ends_with("." + zone)) return zone;
  }
  return "";
}

std::string resolver_config_file(const ResolverOptions& options) { return options.folder + "/unbound.conf"; }
std::string resolver_pid_file(const ResolverOptions& options) { return options.folder + "/unbound.pid"; }
std::string resolver_control_socket(const ResolverOptions& options) { return options.folder + "/control.sock"; }
std::string resolver_data_folder(const ResolverOptions& options) { return options.folder + "/records"; }
std::string resolver_data_file(const ResolverOptions& options, Ipv4 client) {
  return resolver_data_folder(options) + "/" + client.text() + ".conf";
}

std::set<Ipv4> resolver_clients(const std::set<Ipv4>& wanted) {
  const uint32_t first = transit_network_address(0).value;
  uint32_t count = kClientsMin;
  std::set<Ipv4> out = wanted;
  for (Ipv4 client : wanted) {
    bool is_transit = client.value >= first && client.value - first < 2 * kTransitsMax;
    while (is_transit && (client.value - first) / 2 >= count) count *= 2;
  }
  for (uint32_t transit = 0; transit < count; ++transit) out.insert(transit_network_address(transit));
  return out;
}

std::string resolver_config(const ResolverOptions& options, const std::string& user, const std::set<Ipv4>& clients) {
  std::string out = std::string("server:\n  interface: ") + kResolverAddress + "\n  interface: " + kResolverAddress6 + "\n" + kLimits + "  username: \"" +
                    user + "\"\n  chroot: \"\"\n  directory: \"\"\n  pidfile: \"" + resolver_pid_file(options) + "\"\n";
  for (Ipv4 client : clients) {
    for (const std::string& source : sources_of(client)) {
      out += "  access-control: " + source + " allow\n  access-control-view: " + source + " \"" + client.text() + "\"\n";
    }
  }
  if (options.upstreams.empty()) out += "  local-zone: \".\" refuse\n";
  out += "remote-control:\n  control-enable: yes\n  control-use-cert: no\n  control-interface: \"" +
         resolver_control_socket(options) + "\"\n";
  if (!options.upstreams.empty()) out += "forward-zone:\n  name: \".\"\n";
  for (const std::string& upstream : options.upstreams) out += "  forward-addr: " + upstream + "\n";
  for (Ipv4 client : clients) out += view_text(options, client);
  return out;
}

std::string resolver_data(const std::vector<std::string>& records) {
  std::string out;
  for (const std::string& record : records) out += "local-data: '" + record + "'\n";
  return out;
}

std::vector<std::string> resolver_records(const std::string& data) {
  constexpr std::string_view kBefore = "local-data: '";
  std::vector<std::string> out;
  for (size_t at = 0, end = 0; (end = data.find('\n', at)) != std::string::npos; at = end + 1) {
    std::string_view line = std::string_view(data).substr(at, end - at);
    if (line.starts_with(kBefore) && line.ends_with('\'') && line.size() > kBefore.size()) {
      out.emplace_back(line.substr(kBefore.size(), line.size() - kBefore.size() - 1));
    }
  }
  return out;
}

namespace {

// A name with its services: "_http._tcp.web.hello.internal." belongs to "web.hello.internal.".
std::string host_of(const std::string& name) {
  size_t at = 0;
  while (at < name.size() && name[at] == '_') at = std::min(name.find('.', at), name.size() - 1) + 1;
  return name.substr(at);
}

// What is there and wanted of one host, in whose records something differs.
struct Host {
  std::set<std::string> names;  // before
  std::vector<std::string> fresh, after;
  bool loses = false;
};

std::map<std::string, Host> differing_hosts(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  std::vector<std::string> gone, fresh;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(gone));
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(fresh));
  std::map<std::string, Host> out;
  for (const std::string& record : gone) out[host_of(name_of(record))].loses = true;
  for (const std::string& record : fresh) out[host_of(name_of(record))].fresh.push_back(record);
  auto each = [&](const std::vector<std::string>& records, auto take) {
    for (const std::string& record : records) {
      std::string name = name_of(record);
      if (auto host = out.find(host_of(name)); host != out.end()) take(host->second, name, record);
    }
  };
  each(before, [](Host& host, const std::string& name, const std::string&) { host.names.insert(name); });
  each(after, [](Host& host, const std::string&, const std::string& record) { host.after.push_back(record); });
  return out;
}

// Collects changes into messages of bounded size.
class Changes {
 public:
  void add(const std::vector<std::string>& names, const std::vector<std::string>& records) {
    size_t bytes = 0;
    for (const auto* lines : {&names, &records}) {
      for (const std::string& line : *lines) bytes += line.size() + 1;
    }
    if (bytes_ + bytes > kChangeBytesMax) close();
    current_.names.insert(current_.names.end(), names.begin(), names.end());
    current_.records.insert(current_.records.end(), records.begin(), records.end());
    bytes_ += bytes;
  }
  void close() {
    if (!current_.names.empty() || !current_.records.empty()) out_.push_back(std::move(current_));
    current_ = {};
    bytes_ = 0;
  }
  std::vector<ResolverChange> take() && {
    close();
    return std::move(out_);
  }

 private:
  std::vector<ResolverChange> out_;
  ResolverChange current_;
  size_t bytes_ = 0;
};

}  // namespace

std::vector<ResolverChange> resolver_changes(const std::vector<std::string>& before,
                                             const std::vector<std::string>& after) {
  std::map<std::string, Host> hosts = differing_hosts(before, after);
  Changes out;
  // First what is added alone, so that a name that moves is never without a record.
  for (const auto& [name, host] : hosts) {
    if (host.loses) continue;
    for (const std::string& record : host.fresh) out.add({}, {record});
  }
  out.close();
  for (const auto& [name, host] : hosts) {
    if (host.loses && !host.after.empty()) out.add({host.names.begin(), host.names.end()}, host.after);
  }
  out.close();
  for (const auto& [name, host] : hosts) {
    if (host.loses && host.after.empty()) out.add({host.names.begin(), host.names.end()}, {});
  }
  return std::move(out).take();
}

}  // namespace mcloud::network
