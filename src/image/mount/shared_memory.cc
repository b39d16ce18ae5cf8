#include "image/mount/shared_memory.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mcloud::image {
namespace {

constexpr uint64_t kMagic = 0x3230'7366'6769'636d;  // "mcigfs02"

}  // namespace

Status SharedMemory::map(io::Fd fd) {
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return errno_error(errno, "map the shared memory");
  fd_ = std::move(fd);
  memory_ = static_cast<char*>(memory);
  header_ = reinterpret_cast<Header*>(memory_);
  known_ = reinterpret_cast<std::atomic<uint8_t>*>(memory_ + kHeaderBytes);
  files_ = reinterpret_cast<SharedOpenFile*>(memory_ + kFilesOffset);
  texts_ = memory_ + kTextsOffset;
  static_assert(sizeof(Header) <= kHeaderBytes);
  return {};
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::create(const Negotiated& negotiated) {
  io::Fd fd(::memfd_create("mcloud-imagefs", MFD_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "make the shared memory");
  if (::ftruncate(fd.get(), kBytes) != 0) return errno_error(errno, "size the shared memory");
  std::unique_ptr<SharedMemory> made(new SharedMemory);
  TRY(made->map(std::move(fd)));
  made->header_->negotiated = negotiated;
  made->header_->magic = kMagic;
  return made;
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::join(io::Fd fd) {
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return errno_error(errno, "look at the shared memory");
  if (static_cast<size_t>(facts.st_size) != kBytes) return make_error(Code::Corrupt, "the shared memory has another size");
  std::unique_ptr<SharedMemory> made(new SharedMemory);
  TRY(made->map(std::move(fd)));
  if (made->header_->magic != kMagic) return make_error(Code::Corrupt, "the shared memory is not ours");
  return made;
}

SharedMemory::~SharedMemory() {
  if (memory_ != nullptr) ::munmap(memory_, kBytes);
}

void SharedMemory::forget_signs_of_life() {
  header_->beat_ms.store(0);
  for (std::atomic<uint64_t>& since : header_->busy_since_ms) since.store(0);
}

uint64_t SharedMemory::stuck_for_ms(uint64_t now_ms, uint64_t began_ms) const {
  uint64_t oldest = header_->beat_ms.load();
  if (oldest == 0) oldest = began_ms;
  for (const std::atomic<uint64_t>& since : header_->busy_since_ms) {
    uint64_t began = since.load();
    if (began != 0) oldest = std::min(oldest, began);
  }
  return now_ms > oldest ? now_ms - oldest : 0;
}

std::string SharedMemory::text() const {
  uint32_t current = header_->current_text.load() & 1;
  uint64_t bytes = header_->text_bytes[current];
  return bytes > kTextBytesMax ? std::string() : std::string(texts_ + current * kTextBytesMax, bytes);
}

Status SharedMemory::set_text(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return make_error(Code::Exhausted, "what is attached needs " + std::to_string(text.size()) + " bytes to remember; " +
                                           std::to_string(kTextBytesMax) + " are there");
  }
  uint32_t other = 1 - (header_->current_text.load() & 1);
  std::memcpy(texts_ + other * kTextBytesMax, text.data(), text.size());
  header_->text_bytes[other] = text.size();
  header_->current_text.store(other);
  return {};
}

}  // namespace mcloud::image
