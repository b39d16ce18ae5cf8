// Inside this room: the content of a file on its way into blocks.
#pragma once

#include <memory>

#include "crypto/hash.h"
#include "flist/convert/growing_tree.h"

namespace mcloud::flist {

// Takes blocks, in the order of their files, and says at which position each one's id will be found.
class BlockSink {
 public:
  virtual ~BlockSink() = default;
  // 1 to kBlockBytes bytes. May wait for room. An error of an earlier block may come out here.
  virtual Result<uint64_t> add(Bytes plain, const std::string& path) = 0;
  // kBlockBytes zero bytes: a hole.
  virtual Result<uint64_t> add_zeros(const std::string& path) = 0;
};

struct FileContent {
  BlockRange blocks;
  Bytes sha256;
};

// One file: give its pieces in order, then finish. What is between pieces is a hole.
class FileCutter {
 public:
  // `bytes` of the whole file. Borrows the sink and the path.
  FileCutter(BlockSink& sink, const std::string& path, uint64_t bytes) : sink_(sink), path_(path), bytes_(bytes) {}
  // Corrupt when it does not fit behind the last one or into the file.
  Status add(uint64_t offset, BytesView bytes);
  Result<FileContent> finish();

 private:
  Status fill(uint64_t end);        // with zeros
  Status append(BytesView bytes);
  Status flush();
  void place(uint64_t position);

  BlockSink& sink_;
  const std::string& path_;
  uint64_t bytes_;
  uint64_t at_ = 0;
  Bytes block_;
  crypto::Sha256 hash_;
  FileContent content_;
};

}  // namespace mcloud::flist
