#include "image/mount/request_log.h"

#include <cstring>

namespace mcloud::image {
namespace {

// The request that lies at `bytes`; "" when none does.
std::string_view request_at(const char* bytes, size_t bytes_max) {
  fuse::InHeader header;
  std::memcpy(&header, bytes, sizeof header);
  if (header.unique == 0 || header.bytes < sizeof header || header.bytes > bytes_max) return {};
  return {bytes, header.bytes};
}

}  // namespace

RequestLog::RequestLog(SharedMemory& memory) : memory_(memory) {
  for (uint32_t slot = kWaitingReadsMax; slot-- > 0;) {
    if (request_at(memory_.waiting_read(slot), kWaitingReadBytes).empty()) free_.push_back(slot);
  }
}

void RequestLog::empty(uint32_t thread) { std::memset(buffer(thread), 0, sizeof(fuse::InHeader)); }

uint32_t RequestLog::keep(std::string_view request) {
  if (request.size() > kWaitingReadBytes) return kNowhere;
  uint32_t slot;
  {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return kNowhere;
    slot = free_.back();
    free_.pop_back();
  }
  // The header, which makes it count, last.
  char* place = memory_.waiting_read(slot);
  std::memcpy(place + sizeof(fuse::InHeader), request.data() + sizeof(fuse::InHeader), request.size() - sizeof(fuse::InHeader));
  std::memcpy(place, request.data(), sizeof(fuse::InHeader));
  return slot;
}

void RequestLog::answered(uint32_t slot) {
  if (slot == kNowhere) return;
  std::memset(memory_.waiting_read(slot), 0, sizeof(fuse::InHeader));
  std::lock_guard lock(mutex_);
  free_.push_back(slot);
}

void RequestLog::take_over(const std::function<void(std::string_view)>& handle) {
  std::vector<uint32_t> left;
  for (uint32_t slot = 0; slot < kWaitingReadsMax; ++slot) {
    if (!request_at(memory_.waiting_read(slot), kWaitingReadBytes).empty()) left.push_back(slot);
  }
  for (uint32_t slot : left) {
    handle(std::string(request_at(memory_.waiting_read(slot), kWaitingReadBytes)));
    answered(slot);
  }
  for (uint32_t thread = 0; thread < kServingThreads; ++thread) {
    std::string request(request_at(buffer(thread), kRequestBytesMax));
    if (!request.empty()) handle(request);
    empty(thread);
  }
}

}  // namespace mcloud::image
