// Tar streams (ustar, pax, GNU) and their compression, by libarchive. It parses only; what is done with an entry
// is an EntrySink's. For this room and room flist.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image/oci/stream.h"

namespace mcloud::image {

// The content of a gzip, zstd or plain stream. Borrows `from`.
Result<std::unique_ptr<Stream>> open_decompressed(Stream& from);

struct TarEntry {
  enum class Type { File, Folder, Link, HardLink, Fifo, Socket, CharacterDevice, BlockDevice, Other };
  Type type = Type::File;
  std::string path;         // as written: not trusted
  std::string link_target;  // Link, HardLink
  uint64_t user = 0;
  uint64_t group = 0;
  unsigned mode = 0;        // the lower 12 bits
  uint64_t bytes = 0;       // File: with holes
  int64_t modified_s = 0;
  long modified_ns = 0;
  uint32_t device_major = 0;  // devices
  uint32_t device_minor = 0;
  std::vector<std::pair<std::string, std::string>> attributes;  // extended
};

struct TarPiece {
  uint64_t offset = 0;  // what is skipped is a hole
  BytesView bytes;      // valid until the next call
};

class TarReader {
 public:
  enum class Compression { None, Any };
  // Borrows `from`.
  static Result<std::unique_ptr<TarReader>> open(Stream& from, Compression compression);
  virtual ~TarReader() = default;
  // nullopt at the end of the archive (the stream may go on).
  virtual Result<std::optional<TarEntry>> next() = 0;
  // The current file's content, in order; nullopt at its end.
  virtual Result<std::optional<TarPiece>> next_piece() = 0;
};

}  // namespace mcloud::image
