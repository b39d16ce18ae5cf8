// What a loader knows of one image: where its blocks lie, what was read of it, how far its completion is. All but the
// constants is guarded by the loader's lock.
#pragma once

#include <array>
#include <chrono>
#include <unordered_set>

#include "image/cache/loader.h"

namespace mcloud::image {

inline constexpr size_t kTraceMax = 4096;

// One block with all that a fetch needs.
struct BlockOrder {
  BlockPlace place;
  ContentId content;
  uint64_t content_bytes = 0;
  BlockRef ref;
  uint64_t plain_bytes = 0;

  bool is_zero() const;  // needs no store
};

const Bytes& zero_block();  // kBlockBytes of them

class ImageState {
 public:
  using Clock = std::chrono::steady_clock;

  ImageState(std::shared_ptr<const Index> index, std::unique_ptr<Routes> routes, uint64_t block_timeout_ms)
      : index_(std::move(index)), routes_(std::move(routes)), block_timeout_(block_timeout_ms) {}

  const Index& index() const { return *index_; }
  Routes& routes() const { return *routes_; }
  std::chrono::milliseconds block_timeout() const { return block_timeout_; }

  // A file's block that the index has.
  bool has(const BlockPlace& place) const;
  // The rest under the lock. `place` is one that has() says yes to.
  BlockOrder order(const BlockPlace& place);
  ContentId content(NodeNumber file);

  // Somebody reads it: into the trace; and what to read ahead.
  std::vector<BlockPlace> note_want(const BlockPlace& place, uint32_t read_ahead_blocks);
  const std::vector<BlockPlace>& trace() const { return trace_; }

  // The next block of the completion that may be missing; nullopt: none within the next few steps, or the pass is
  // over (then is_completing is false, or a later one picks up what failed). `is_whole` tells what to pass over.
  template <typename IsWhole>
  std::optional<BlockPlace> next_missing(const IsWhole& is_whole);
  void completion_failed(Clock::time_point now);
  void completion_succeeded() { pause_ = kPauseMin; }

  bool is_completing = false;
  Clock::time_point resumes_at;  // its completion
  size_t prefetch_round = 0;   // older ones are void
  uint64_t read_errors = 0, fetched_blocks = 0, fetched_bytes = 0;

 private:
  // The last files that were read, by number.
  struct Recent {
    bool is_used = false;
    NodeNumber node = 0;
    ContentId content;
    bool was_read = false;
    uint32_t last = 0;   // block
    uint32_t ahead = 0;  // up to it was asked for
  };
  static constexpr size_t kRecent = 128;
  static constexpr std::chrono::milliseconds kPauseMin{1'000}, kPauseMax{60'000};

  Recent& recent(NodeNumber file);
  void end_completion_pass();

  const std::shared_ptr<const Index> index_;
  const std::unique_ptr<Routes> routes_;
  const std::chrono::milliseconds block_timeout_;
  std::array<Recent, kRecent> recent_;
  std::vector<BlockPlace> trace_;
  std::unordered_set<uint64_t> traced_;
  BlockPlace cursor_;         // of the completion
  NodeNumber cursor_file_ = 0;  // whose content this is; apart, or it would push out what readers need
  ContentId cursor_content_;
  bool has_missed_ = false;   // something in this pass
  std::chrono::milliseconds pause_ = kPauseMin;
};

template <typename IsWhole>
std::optional<BlockPlace> ImageState::next_missing(const IsWhole& is_whole) {
  constexpr int kStepsMax = 64;
  for (int step = 0; step < kStepsMax; ++step) {
    if (cursor_.node >= index_->nodes()) {
      end_completion_pass();
      return std::nullopt;
    }
    if (cursor_.block == 0 && has(cursor_)) {
      cursor_file_ = cursor_.node;
      cursor_content_ = index_->content(cursor_file_);
    }
    if (has(cursor_) && (cursor_.block > 0 || !is_whole(cursor_content_))) {
      BlockPlace found = cursor_;
      ++cursor_.block;
      return found;
    }
    cursor_ = {.node = cursor_.node + 1};
  }
  return std::nullopt;
}

}  // namespace mcloud::image
