#include "network/resolver_config.h"

#include <algorithm>
#include <iterator>

#include "network/firewall.h"

namespace mcloud::network {
namespace {

constexpr uint32_t kClientsMin = 16;
// A command is one message. Only the records of a single name may make one longer.
constexpr size_t kChangeBytesMax = 60'000;
// Names that are taken away and given anew are unknown in between: few at a time.
constexpr size_t kRenewedNamesMax = 8;

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

// A network asks from two addresses and sees one view.
std::vector<std::string> sources_of(Ipv4 client) {
  std::vector<std::string> out = {client.text() + "/32"};
  uint32_t offset = client.value - transit_network_address(0).value;
  bool is_transit = client >= transit_network_address(0) && offset % 2 == 0 && offset / 2 < kTransitsMax;
  if (is_transit) out.push_back(transit_network_address6(offset / 2).text() + "/128");
  return out;
}

std::string view_text(const ResolverOptions& options, Ipv4 client) {
  // view-first: what is in none of these zones is looked for in the server's own, so that its list of private ranges is
  // held once and not for each view. `internal.` never gets there.
  return "view:\n  name: \"" + client.text() + "\"\n  view-first: yes\n  local-zone: \"internal.\" static\n" +
         "  local-zone: \"in-addr.arpa.\" transparent\n  local-zone: \"ip6.arpa.\" transparent\n  include: \"" +
         resolver_data_file(options, client) + "*\"\n";
}

}  // namespace

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

// Records by name, of those names in which the two lists differ.
struct Difference {
  std::map<std::string, std::vector<std::string>> gone, fresh, kept;
};

Difference difference(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  std::vector<std::string> gone, fresh;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(gone));
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(fresh));
  Difference out;
  for (const std::string& record : gone) out.gone[name_of(record)].push_back(record);
  for (const std::string& record : fresh) out.fresh[name_of(record)].push_back(record);
  for (const std::string& record : after) {
    if (out.gone.contains(name_of(record))) out.kept[name_of(record)].push_back(record);
  }
  return out;
}

// Collects changes into messages of bounded size.
class Changes {
 public:
  void begin(size_t names_max) {
    close();
    names_max_ = names_max;
  }
  void remove(const std::string& name, const std::vector<std::string>& records) {
    size_t bytes = name.size() + 1;
    for (const std::string& record : records) bytes += record.size() + 1;
    if (current_.names.size() >= names_max_ || bytes_ + bytes > kChangeBytesMax) close();
    current_.names.push_back(name);
    current_.records.insert(current_.records.end(), records.begin(), records.end());
    bytes_ += bytes;
  }
  void add(const std::string& record) {
    if (bytes_ + record.size() + 1 > kChangeBytesMax) close();
    current_.records.push_back(record);
    bytes_ += record.size() + 1;
  }
  std::vector<ResolverChange> take() && {
    close();
    return std::move(out_);
  }

 private:
  void close() {
    if (!current_.names.empty() || !current_.records.empty()) out_.push_back(std::move(current_));
    current_ = {};
    bytes_ = 0;
  }
  std::vector<ResolverChange> out_;
  ResolverChange current_;
  size_t bytes_ = 0;
  size_t names_max_ = 0;
};

}  // namespace

std::vector<ResolverChange> resolver_changes(const std::vector<std::string>& before,
                                             const std::vector<std::string>& after) {
  Difference difference = network::difference(before, after);
  Changes out;
  // First what is added alone, so that a name that moves is never without a record.
  out.begin(SIZE_MAX);
  for (const auto& [name, records] : difference.fresh) {
    for (const std::string& record : records) {
      if (!difference.gone.contains(name)) out.add(record);
    }
  }
  out.begin(kRenewedNamesMax);
  for (const auto& [name, records] : difference.kept) out.remove(name, records);
  out.begin(SIZE_MAX);
  for (const auto& [name, records] : difference.gone) {
    if (!difference.kept.contains(name)) out.remove(name, {});
  }
  return std::move(out).take();
}

}  // namespace mcloud::network
