// What containers find by name, as the node's DNS server tells it.
#pragma once

#include <functional>
#include <memory>

#include "network/resolver_server.h"
#include "node/gateway_adapter.h"
#include "node/ports.h"

namespace mcloud::node {

class NamesAdapter final : public Names {
 public:
  struct Options {
    std::string folder = "/run/mcloud-resolver";
    std::vector<std::string> upstreams;  // none: those of `machine_file`
    std::string machine_file = "/etc/resolv.conf";
  };
  // `transits`: called by set(), on its thread. The server is opened with the first names, and again after a failure.
  NamesAdapter(Options options, std::function<Transits()> transits)
      : options_(std::move(options)), transits_(std::move(transits)) {}

  Status set(const std::vector<network::NetworkNames>& names) override;

 private:
  const Options options_;
  const std::function<Transits()> transits_;
  std::unique_ptr<network::Resolver> resolver_;
};

// "nameserver" lines of a resolv.conf, at most 3. Pure.
std::vector<std::string> nameservers(std::string_view resolv_conf);

}  // namespace mcloud::node
