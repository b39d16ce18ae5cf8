// The chain on disk: segment files of blocks, append-only, each append durable before it returns. This is the
// truth; the state is derived from it. Format, byte by byte: docs/reference/ledger.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace mcloud::ledger {

inline constexpr size_t kBlockBytesMax = 32 << 20;

// Makes what was written to an open file survive a power loss (fdatasync).
Status sync_file(int fd);

class BlockStore {
 public:
  struct Options {
    size_t segment_bytes_max = 64 << 20;             // a new segment starts before one grows beyond
    std::function<Status(int fd)> sync = sync_file;  // tests put a disk that can fail here
  };
  // Opens or makes the chain in `folder`. What a crash left of the last append is cut off. Corrupt when anything
  // else is damaged: a block that was once durable is never dropped.
  static Result<std::unique_ptr<BlockStore>> open(const std::string& folder, const Options& options);
  virtual ~BlockStore() = default;

  // nullopt while there is no block. Thread-safe.
  virtual std::optional<uint64_t> last_height() const = 0;

  // Appends the block after the last one (the first may have any height) and syncs it. From one thread. After a
  // failure nothing more can be appended until the store is opened again: what is durable is not known.
  virtual Status append(uint64_t height, BytesView block) = 0;

  // NotFound outside the chain, Corrupt when the bytes fail their check. Thread-safe.
  virtual Result<Bytes> read(uint64_t height) const = 0;
};

}  // namespace mcloud::ledger
