// Inside this room: plain blocks into stores, on all cores, with bounded memory.
//
//   add() ──▶ encoders (a thread a core) ──▶ putters (threads that wait for stores) ──▶ ids, by position
// At most kInFlight blocks are on their way; add() waits for room. The first error stops everything: blocks still
// waiting are dropped, add() and finish() return it with the path of the file.
#pragma once

#include <functional>
#include <memory>

#include "flist/convert/content.h"
#include "image/stores/routes.h"

namespace mcloud::flist {

struct PipelineOptions {
  image::OwnerSecret secret;
  size_t threads = 0;  // encoders; 0 = all cores
  std::function<void(uint64_t bytes_done)> on_progress;  // plain bytes that are in the stores; any thread
};

struct PipelineFigures {
  uint64_t blocks = 0;   // different ones
  uint64_t bytes = 0;    // plain, of all that was added
};

class BlockPipeline final : public BlockSink {
 public:
  static constexpr size_t kInFlight = 64;

  // Borrows the stores.
  BlockPipeline(image::Routes& stores, const PipelineOptions& options);
  // Drops what waits, waits for what runs.
  ~BlockPipeline() override;

  Result<uint64_t> add(Bytes plain, const std::string& path) override;
  Result<uint64_t> add_zeros(const std::string& path) override;
  // A block of another image, fetched from its stores by a putter. Borrows `from` until finish().
  Result<uint64_t> add_fetched(const image::BlockRef& ref, uint64_t plain_bytes, image::Routes& from,
                               const std::string& path);
  // Waits for all of them and makes them durable; ids by position. Once.
  Result<std::vector<image::BlockRef>> finish();
  PipelineFigures figures() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace mcloud::flist
