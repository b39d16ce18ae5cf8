// Inside this room: an image while it is put together, from whichever source: its tree, the blocks on their way into
// stores, its config. Nothing names the image before finish().
#pragma once

#include "flist/convert.h"
#include "flist/convert/block_pipeline.h"

namespace mcloud::flist {

class Assembly {
 public:
  // Borrows both.
  Assembly(image::Routes& stores, const ConvertOptions& options);

  const ConvertOptions& options() const { return options_; }
  GrowingTree& tree() { return tree_; }
  BlockPipeline& blocks() { return blocks_; }

  std::string config;
  std::vector<std::string> origin;
  std::unique_ptr<image::Routes> stores_of_source;  // of an image that is copied
  Flist outside;                                    // its tags, trace and signatures

  // Waits until all blocks are durable. Once.
  Result<Converted> finish();

 private:
  image::Routes& stores_;
  const ConvertOptions& options_;
  GrowingTree tree_;
  uint64_t put_blocks_before_ = 0;
  uint64_t put_bytes_before_ = 0;
  BlockPipeline blocks_;
};

}  // namespace mcloud::flist
