// Inside this room: a tar stream, ustar with pax records (POSIX.1-2001) where something does not fit, and GNU's sparse
// format 1.0 for holes. One way to write each entry, so equal trees give equal bytes.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "image/tree/tree.h"

namespace mcloud::flist {

struct TarItem {
  std::string path;                                  // without a slash at its start or end; "" = the root
  std::string hard_link;                             // another path: the rest of the facts is not written
  std::vector<std::pair<uint64_t, uint64_t>> data;   // File: offset and bytes of what is no hole, in order
};

// Not thread-safe.
class TarWriter {
 public:
  explicit TarWriter(std::function<Status(BytesView)> out) : out_(std::move(out)) {}
  // A node's entry. Of a file, the bytes of `data` follow by write(). Sockets have none: Invalid. Unsupported for an
  // attribute whose name has a '=', which pax cannot say.
  Status begin(const TarItem& item, const image::Node& node);
  Status write(BytesView bytes);
  Status end();     // of a file
  Status finish();  // of the archive

 private:
  Status put_header(std::string name, char type, uint64_t size, const image::Node& node, const std::string& link,
                    const std::string& records);
  Status pad();

  std::function<Status(BytesView)> out_;
  uint64_t written_ = 0;  // of the current entry
};

}  // namespace mcloud::flist
