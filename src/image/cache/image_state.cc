#include "image/cache/image_state.h"

#include <algorithm>

#include "image/blocks/block.h"
#include "image/cache/cache_names.h"

namespace mcloud::image {

bool BlockOrder::is_zero() const { return plain_bytes == kBlockBytes && ref.key == zero_block_key(); }

const Bytes& zero_block() {
  static const Bytes block(kBlockBytes, '\0');
  return block;
}

bool ImageState::has(const BlockPlace& place) const {
  if (place.node >= index_->nodes()) return false;
  IndexNode node = index_->node(place.node);
  return node.type == Node::Type::File && place.block < node.count;
}

ImageState::Recent& ImageState::recent(NodeNumber file) {
  Recent& slot = recent_[file % kRecent];
  // The id of a large file's content costs a hash over all its blocks.
  if (!slot.is_used || slot.node != file) slot = {.is_used = true, .node = file, .content = index_->content(file)};
  return slot;
}

ContentId ImageState::content(NodeNumber file) {
  return file == cursor_file_ && file != 0 ? cursor_content_ : recent(file).content;
}

BlockOrder ImageState::order(const BlockPlace& place) {
  uint64_t bytes = index_->node(place.node).bytes;
  return {.place = place,
          .content = content(place.node),
          .content_bytes = bytes,
          .ref = index_->block(place.node, place.block),
          .plain_bytes = block_bytes(bytes, place.block)};
}

std::vector<BlockPlace> ImageState::note_want(const BlockPlace& place, uint32_t read_ahead_blocks) {
  if (trace_.size() < kTraceMax && traced_.insert(uint64_t{place.node} << 32 | place.block).second) {
    trace_.push_back(place);
    if (trace_.size() == kTraceMax) traced_ = {};
  }
  Recent& slot = recent(place.node);
  // Blocks that were read ahead need not be asked for, so the next one wanted may be the first behind them.
  bool is_in_order = slot.was_read && place.block > slot.last && place.block <= slot.ahead + 1;
  if (slot.was_read && place.block == slot.last) return {};
  slot.ahead = is_in_order ? std::max(slot.ahead, place.block) : place.block;
  slot.last = place.block;
  slot.was_read = true;
  std::vector<BlockPlace> out;
  if (!is_in_order) return out;
  uint32_t count = index_->node(place.node).count;
  while (slot.ahead + 1 < count && slot.ahead < place.block + read_ahead_blocks) {
    out.push_back({place.node, ++slot.ahead});
  }
  return out;
}

void ImageState::completion_failed(Clock::time_point now) {
  // Its pass may have come to its end meanwhile: then another one begins.
  has_missed_ = is_completing;
  is_completing = true;
  resumes_at = now + pause_;
  pause_ = std::min(pause_ * 2, kPauseMax);
}

void ImageState::end_completion_pass() {
  cursor_ = {};
  is_completing = std::exchange(has_missed_, false);
  // Whatever failed gets time to come back.
  if (is_completing) resumes_at = std::max(resumes_at, Clock::now() + kPauseMin);
}

}  // namespace mcloud::image
