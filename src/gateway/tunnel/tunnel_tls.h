// The TLS of the tunnel: nodes' own keys, on both sides.
#pragma once

#include <functional>
#include <memory>

#include "crypto/sign.h"
#include "gateway/planted.h"
#include "io/tls.h"

namespace mcloud::gateway {

inline Result<std::shared_ptr<const io::TlsContext>> tunnel_tls(const crypto::SigningKey& key,
                                                                std::function<bool(const NodeId&)> is_believed) {
  return io::TlsContext::pinned({.seed = Bytes(key.seed()),
                                 .protocol = "mcloud-tunnel/1",
                                 .is_believed = [is_believed = std::move(is_believed)](BytesView bytes) {
                                   Result<NodeId> node = NodeId::from_bytes(bytes);
                                   return node && (is_believed(*node) || planted::kNoPin);
                                 }});
}

}  // namespace mcloud::gateway
