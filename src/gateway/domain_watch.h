// Looks up the proofs of custom domains, two at a time beside the loop, and keeps them in DATA/domains.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "gateway/domain_proofs.h"
#include "io/loop.h"
#include "mcloud/gateway.pb.h"

namespace mcloud::gateway {

// Of the loop's thread.
class DomainWatch {
 public:
  struct Options {
    std::string server;  // "" = the machine's, read each time
    std::string file;    // where proofs are kept
  };
  // `on_change` runs on the loop when another contract holds a domain, or nobody does.
  DomainWatch(Options options, io::Loop& loop, std::function<void()> on_change);

  void want(const pb::LocalGateway& gateway);
  void round(uint64_t now_ms, uint64_t wall_ms);
  const DomainProofs& proofs() const { return proofs_; }

 private:
  void answer(const std::string& domain, const Result<std::vector<std::string>>& texts);

  const Options options_;
  io::Loop& loop_;
  std::function<void()> on_change_;
  DomainProofs proofs_;
  std::map<std::string, std::string> held_;  // by whom when we last looked
  std::string saved_;
  io::Pool pool_;  // the last member: its jobs are done before the rest goes
};

}  // namespace mcloud::gateway
