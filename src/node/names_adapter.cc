#include "node/names_adapter.h"

#include <sstream>

#include "io/file.h"
#include "network/resolver_server.h"

namespace mcloud::node {

std::vector<std::string> nameservers(std::string_view resolv_conf) {
  std::vector<std::string> servers;
  std::istringstream lines{std::string(resolv_conf)};
  for (std::string line; std::getline(lines, line) && servers.size() < 3;) {
    std::istringstream words(line);
    std::string key, address;
    if (words >> key >> address && key == "nameserver") servers.push_back(address);
  }
  return servers;
}

Status NamesAdapter::set(const std::vector<network::NetworkNames>& names) {
  if (resolver_ == nullptr) {
    network::ResolverOptions options{.folder = options_.folder, .upstreams = options_.upstreams};
    auto machine = io::read_file(options_.machine_file, 64 << 10);
    if (options.upstreams.empty() && machine.has_value()) options.upstreams = nameservers(*machine);
    resolver_ = TRY(network::open_resolver(options).with_context("names"));
  }
  Transits transits = transits_();
  std::vector<network::NetworkNames> known;
  for (const network::NetworkNames& one : names) {
    auto transit = transits.find({one.vni, ""});
    if (transit == transits.end()) continue;  // with its network they come again
    known.push_back(one);
    known.back().client = transit->second;
  }
  return resolver_->apply(known).with_context("names");
}

}  // namespace mcloud::node
