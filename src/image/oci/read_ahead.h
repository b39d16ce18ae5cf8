// A stream that is read by a thread of its own, some pieces ahead of who takes them: decompression and hashing of a
// layer go on while its files are worked on.
#pragma once

#include <memory>

#include "image/oci/stream.h"

namespace mcloud::image {

class ReadAheadStream final : public Stream {
 public:
  // Borrows `from`, which nobody else touches before this is destroyed. At most 4 MiB wait.
  explicit ReadAheadStream(Stream& from);
  // Waits for the thread, which ends after the piece it reads.
  ~ReadAheadStream() override;
  Result<BytesView> next() override;
  // Reads and drops the rest.
  Status drain();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace mcloud::image
