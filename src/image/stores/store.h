// Where blocks lie: one place each. URLs:
//   dir:///PATH                                       <first 2 hex>/<hex> in a folder (and flat <hex>, read only)
//   zdb://[user:password@]HOST[:9900][/NAMESPACE]     our kv, or any 0-db (kv:// is the same); the key is the id
//   zdb:///PATH                                       the same on a unix socket
//   s3://[KEY:SECRET@]HOST[:PORT]/BUCKET[?region=R]   s3s:// and s3s+tls:// over TLS; BUCKET/<hex>, path style
//   http://HOST[:PORT]/PATH, https://...              GET <url>/<first 2 hex>/<hex>, or <url>/<hex>; read only
// Thread-safe; every call blocks at most until its deadline.
#pragma once

#include <memory>

#include "image/tree/tree.h"
#include "io/tls_trust.h"

namespace mcloud::image {

class BlockStore {
 public:
  virtual ~BlockStore() = default;
  // The stored bytes, at most kStoredBytesMax, not verified. NotFound, Unavailable, TimedOut, Denied, Corrupt.
  virtual Result<Bytes> get(const Hash& id, uint64_t timeout_ms) = 0;
  // Seen by every later get(), by anybody; durable after flush(). Unsupported for a store that is read only.
  virtual Status put(const Hash& id, BytesView stored, uint64_t timeout_ms) = 0;
  // True only for bytes that are whole as far as the store can know.
  virtual Result<bool> has(const Hash& id, uint64_t timeout_ms) = 0;
  // What was put before is durable. Remote stores answer a put only when it is, so for them this is nothing; a folder
  // is synced as a whole here, because two fsyncs for each of an image's thousands of small blocks cost more than
  // all the rest of its conversion.
  virtual Status flush(uint64_t timeout_ms) { return static_cast<void>(timeout_ms), Status(); }
  // From any thread: every call, now and later, ends soon with Cancelled (a read of a local disk is not ended).
  virtual void cancel() {}
  // For messages: the URL without secrets.
  virtual const std::string& name() const = 0;
};

struct StoreOptions {
  std::string certificates;  // PEM file of authorities for https and s3s; "" = the system's
  size_t connections_max = 16;
  std::shared_ptr<io::TlsTrust> trust = nullptr;  // of `certificates`, for all stores of a process; none: each Routes has its own
};

// Connects when first used. Invalid, saying what is allowed.
Result<std::unique_ptr<BlockStore>> open_store(const std::string& url, const StoreOptions& options = {});

// "[00-80=]URL" as people write it; without a range all blocks.
Result<Route> parse_route(std::string_view text);
// The URL without user, password and keys: what is written into a `.fl` that travels.
std::string without_secrets(const std::string& url);

}  // namespace mcloud::image
