// Whom a process's TLS clients believe, read when the first of them asks: the machine's authorities take 25 ms and 0.8 MB.
#pragma once

#include <mutex>

#include "io/tls.h"

namespace mcloud::io {

// Thread-safe.
class TlsTrust {
 public:
  // A PEM file of authorities; "" = the machine's.
  explicit TlsTrust(std::string authority) : authority_(std::move(authority)) {}
  // Invalid when the file cannot be used; asked again, it is tried again.
  Result<std::shared_ptr<const TlsContext>> context();

 private:
  const std::string authority_;
  std::mutex mutex_;
  std::shared_ptr<const TlsContext> context_;
};

}  // namespace mcloud::io
