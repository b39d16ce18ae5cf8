// The two sides of the comparison. Each measures how many transactions (puts) a second it makes durable, and, at half
// that rate, how long one waits for it.
#pragma once

#include <string>

#include "base/result.h"

namespace mcloud::bench {

struct Work {
  std::string folder;  // on the disk that is measured; each side makes its own below
  size_t identities = 1'000;
  size_t per_request = 100;       // transactions in a request
  size_t transactions = 100'000;  // in each of the two phases (half as many in the second)
  size_t connections = 8;
  size_t put_connections = 64;  // etcd: one put a request, so more of them
  size_t puts = 60'000;
  std::string etcd = "etcd";  // program
};

struct Figures {
  double per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  std::string name;  // with version
  std::string durability;
  std::string command;
  std::string remark;
};

Result<Figures> run_ledger(const Work& work);
// NotFound when etcd is not installed.
Result<Figures> run_etcd(const Work& work);

}  // namespace mcloud::bench
