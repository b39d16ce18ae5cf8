#include "io/tls_trust.h"

namespace mcloud::io {

Result<std::shared_ptr<const TlsContext>> TlsTrust::context() {
  std::lock_guard lock(mutex_);
  if (context_ == nullptr) {
    context_ = TRY(TlsContext::for_client({.certificate = {}, .key = {}, .authority = authority_}));
  }
  return context_;
}

}  // namespace mcloud::io
