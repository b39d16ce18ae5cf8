// Inside this room: the blocks of files in a known order, fetched by several threads some blocks ahead of who reads.
#pragma once

#include <memory>
#include <vector>

#include "image/stores/routes.h"

namespace mcloud::flist {

class BlockAhead {
 public:
  struct Want {
    image::BlockRef ref;
    uint64_t plain_bytes = 0;
  };
  // Borrows the stores. At most 16 blocks are fetched or wait.
  BlockAhead(image::Routes& stores, std::vector<Want> wants);
  // Waits for the fetches that run.
  ~BlockAhead();
  // The next one of `wants`; not called more often than there are.
  Result<Bytes> next();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace mcloud::flist
