// Inside this shelf: what must outlive the death of the serving process, in memory that it and its keeper map: what
// was agreed with the kernel, which files are open and how, and what is attached. A memory file, no disk: the URLs of
// stores carry secrets.
//
//   Header | known images: a byte a slot | open files: kOpenFilesMax slots of 32 bytes | text 0 | text 1
//   | a request buffer for each serving thread | reads that wait for a store
//
// A process may die between any two stores. So a slot counts from the moment its state is set, and the text is
// written beside the current one, which is then switched. One process writes at a time.
#pragma once

#include <atomic>  // stores into memory that another process takes over
#include <cstdint>
#include <memory>
#include <string>

#include "image/mount/fuse_device.h"
#include "io/file.h"

namespace mcloud::image {

inline constexpr uint32_t kOpenFilesMax = 1 << 20;
inline constexpr uint32_t kSlotsMax = 1 << 16;  // images in the life of a mount
inline constexpr size_t kTextBytesMax = 8 << 20;
inline constexpr uint32_t kServingThreads = 6;  // none waits for a store; some may wait for the cache's disk
inline constexpr uint32_t kWaitingReadsMax = 8192;
inline constexpr size_t kWaitingReadBytes = 96;
static_assert(kWaitingReadBytes >= sizeof(fuse::InHeader) + sizeof(fuse::ReadIn));

struct SharedOpenFile {
  enum State : uint32_t { Free = 0, Open = 1, Closing = 2 };  // Closing: the backing may still have to be closed
  std::atomic<uint32_t> state;
  std::atomic<uint32_t> generation;  // of the slot: an old handle means nobody
  std::atomic<uint64_t> node;
  uint64_t unique;      // of the request that opened it, without fuse::kResendBit
  int32_t backing;      // 0: cached mode
  uint32_t padding;
};
static_assert(sizeof(SharedOpenFile) == 32 && std::atomic<uint32_t>::is_always_lock_free);

class SharedMemory {
 public:
  // Fresh, or what a descriptor of it holds. Corrupt when it is not ours.
  static Result<std::unique_ptr<SharedMemory>> create(const Negotiated& negotiated);
  static Result<std::unique_ptr<SharedMemory>> join(io::Fd fd);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  int fd() const { return fd_.get(); }
  const Negotiated& negotiated() const { return header_->negotiated; }
  SharedOpenFile& open_file(uint32_t slot) { return files_[slot]; }
  // Slots from this on were never used.
  uint32_t slots_used() const { return header_->slots_used.load(); }
  void set_slots_used(uint32_t count) { header_->slots_used.store(count); }

  char* request_buffer(uint32_t thread) { return memory_ + kRequestsOffset + thread * kRequestBytesMax; }
  char* waiting_read(uint32_t slot) { return memory_ + kWaitingOffset + slot * kWaitingReadBytes; }

  std::string text() const;
  // Exhausted when it is too long. Replaces as a whole.
  Status set_text(std::string_view text);

  // Whether the kernel holds an image's root: it looked it up and did not forget it since.
  bool is_known(uint32_t slot) const { return known_[slot].load() != 0; }
  void set_known(uint32_t slot, bool known) { known_[slot].store(known ? 1 : 0); }

  // Signs of life of the serving process, for its keeper: it beats now and then, and says since when each thread has
  // been at one request (0: at none). Times are of the monotonic clock.
  void beat(uint64_t now_ms) { header_->beat_ms.store(now_ms); }
  void set_busy(uint32_t thread, uint64_t since_ms) { header_->busy_since_ms[thread].store(since_ms); }
  // Before a new one is started.
  void forget_signs_of_life();
  // How long it has not beaten, or been at one request. `began_ms`: when it was started; until its first beat that counts.
  uint64_t stuck_for_ms(uint64_t now_ms, uint64_t began_ms) const;

  uint64_t restarts() const { return header_->restarts.load(); }
  void count_restart() { ++header_->restarts; }
  // Both processes end instead of starting each other again.
  bool is_stopping() const { return header_->stopping.load() != 0; }
  void set_stopping() { header_->stopping.store(1); }
  // The kernel refused to pass reads through to our cache's file system: not asked again.
  bool passthrough_refused() const { return header_->passthrough_refused.load() != 0; }
  void set_passthrough_refused() { header_->passthrough_refused.store(1); }

 private:
  struct Header {
    uint64_t magic;
    Negotiated negotiated;
    std::atomic<uint64_t> restarts;
    std::atomic<uint32_t> stopping;
    std::atomic<uint32_t> passthrough_refused;
    std::atomic<uint32_t> slots_used;
    std::atomic<uint32_t> current_text;
    uint64_t text_bytes[2];
    std::atomic<uint64_t> beat_ms;
    std::atomic<uint64_t> busy_since_ms[kServingThreads];
  };
  static constexpr size_t kHeaderBytes = 4096;
  static constexpr size_t kFilesOffset = kHeaderBytes + kSlotsMax;
  static constexpr size_t kTextsOffset = kFilesOffset + kOpenFilesMax * sizeof(SharedOpenFile);
  static constexpr size_t kRequestsOffset = kTextsOffset + 2 * kTextBytesMax;
  static constexpr size_t kWaitingOffset = kRequestsOffset + kServingThreads * kRequestBytesMax;
  static constexpr size_t kBytes = kWaitingOffset + kWaitingReadsMax * kWaitingReadBytes;

  SharedMemory() = default;
  Status map(io::Fd fd);

  io::Fd fd_;
  char* memory_ = nullptr;
  Header* header_ = nullptr;
  std::atomic<uint8_t>* known_ = nullptr;
  SharedOpenFile* files_ = nullptr;
  char* texts_ = nullptr;
};

}  // namespace mcloud::image
