// For this room and room flist: bytes that come in pieces, and what checks them on their way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "crypto/hash.h"
#include "image/digest.h"
#include "io/file.h"

namespace mcloud::image {

// Not thread-safe. The piece returned is valid until the next call.
class Stream {
 public:
  virtual ~Stream() = default;
  // Empty at the end.
  virtual Result<BytesView> next() = 0;
};

// A regular file from its start. NotFound when there is none; a link at `path` is not followed.
Result<std::unique_ptr<Stream>> open_file_stream(const std::string& path, std::string_view what);

// Passes on what it reads and hashes it. Exhausted beyond `bytes_max`.
class HashingStream final : public Stream {
 public:
  HashingStream(Stream& from, uint64_t bytes_max, std::string what)
      : from_(from), bytes_max_(bytes_max), what_(std::move(what)) {}
  Result<BytesView> next() override;
  uint64_t bytes() const { return bytes_; }
  // Reads to the end, then the digest of all. Once.
  Result<Digest> finish();

 private:
  Stream& from_;
  uint64_t bytes_max_;
  std::string what_;
  crypto::Sha256 hash_;
  uint64_t bytes_ = 0;
  bool ended_ = false;
};

}  // namespace mcloud::image
