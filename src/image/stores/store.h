// Where blocks lie: one place each. URLs:
//   dir:///PATH                                       <first 2 hex>/<hex> in a folder (and flat <hex>, read only)
//   zdb://[user:password@]HOST[:9900][/NAMESPACE]     our kv, or any 0-db (kv:// is the same)
//   s3://KEY:SECRET@HOST[:PORT]/BUCKET[?region=R]     s3s:// and s3s+tls:// over TLS
//   http://HOST[:PORT]/PATH, https://...              GET <url>/<first 2 hex>/<hex>; read only
// Thread-safe; every call blocks at most until its deadline.
#pragma once

#include <memory>

#include "image/tree/tree.h"

namespace mcloud::image {

class BlockStore {
 public:
  virtual ~BlockStore() = default;
  // The stored bytes, at most kStoredBytesMax, not verified. NotFound, Unavailable, TimedOut, Denied, Corrupt.
  virtual Result<Bytes> get(const Hash& id, uint64_t timeout_ms) = 0;
  // Durable when it returns. Unsupported for a store that is read only.
  virtual Status put(const Hash& id, BytesView stored, uint64_t timeout_ms) = 0;
  virtual Result<bool> has(const Hash& id, uint64_t timeout_ms) = 0;
  // For messages: the URL without secrets.
  virtual const std::string& name() const = 0;
};

struct StoreOptions {
  std::string certificates;  // PEM file of authorities for https and s3s; "" = the system's
  size_t connections_max = 16;
};

// Connects when first used. Invalid, saying what is allowed.
Result<std::unique_ptr<BlockStore>> open_store(const std::string& url, const StoreOptions& options = {});

// "[00-80=]URL" as people write it; without a range all blocks.
Result<Route> parse_route(std::string_view text);
// The URL without user, password and keys: what is written into a `.fl` that travels.
std::string without_secrets(const std::string& url);

}  // namespace mcloud::image
