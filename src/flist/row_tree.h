// Rows of a `.fl` file become a tree. Rows may come from a stranger: each call says Corrupt or Exhausted, naming
// the row and what is allowed. Pure.
#pragma once

#include <optional>

#include "image/tree/tree.h"

namespace mcloud::flist {

struct InodeRow {
  int64_t ino = 0, parent = 0;
  std::string name;
  int64_t size = 0, user = 0, group = 0, mode = 0, device = 0, modified_s = 0;
};

// The calls in this order: all inodes by rising ino, then links' targets and blocks, then second names, then the rest.
class RowTree {
 public:
  Status add_inode(InodeRow row);
  Status add_target(int64_t ino, BytesView target);
  Status add_block(int64_t ino, BytesView id, BytesView key);
  Status set_name(int64_t ino, BytesView name);
  // The row `ino` is another name of what `first` names: both say the same of it.
  Status add_second_name(int64_t ino, int64_t first);
  Status set_nanoseconds(int64_t ino, int64_t nanoseconds);
  Status set_sha256(int64_t ino, BytesView sha256);
  Status add_attribute(int64_t ino, BytesView name, BytesView value);
  // Puts the names into their folders and checks all of it.
  Result<image::Tree> finish();

 private:
  struct Row {
    int64_t parent;
    std::string name;
    image::Node node;
    size_t first;  // its own position, or that of the row that it is another name of
  };
  std::optional<size_t> position(int64_t ino) const;
  Result<Row*> row(int64_t ino);
  Result<Row*> first_row(int64_t ino);  // Corrupt for a second name

  std::vector<Row> rows_;
  std::vector<int64_t> inos_;  // of rows_, rising: numbers that a stranger chose are searched, not hashed
  uint64_t blocks_ = 0;
};

}  // namespace mcloud::flist
