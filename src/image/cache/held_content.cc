#include "image/cache/held_content.h"

#include <cstring>

namespace mcloud::image {
namespace {

constexpr uint64_t kDiskUnit = 4096;

// Its first byte is, and each is like the one before it.
bool is_zero(BytesView bytes) {
  return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

Status HeldContent::open_file() {
  std::lock_guard guard(mutex_);
  if (file_.is_open()) return {};
  auto [name, renamed] = core_->names(id_, entry_);
  if (name.empty()) return {};
  auto opened = core_->files().open(name, bytes_);
  if (!opened.has_value() && opened.error().code == Code::NotFound) opened = core_->files().open(renamed, bytes_);
  if (!opened.has_value()) {
    // Too many open files says nothing about this one.
    if (opened.error().code != Code::Exhausted) core_->lose(entry_);
    return opened.error();
  }
  file_ = std::move(*opened);
  fd_.store(file_.get(), std::memory_order_release);
  return {};
}

Status HeldContent::write(uint32_t block, BytesView plain) {
  {
    std::lock_guard guard(mutex_);
    if (!file_.is_open()) {
      file_ = TRY(core_->create_file(id_, entry_));
      fd_.store(file_.get(), std::memory_order_release);
    }
  }
  if (plain.empty()) return {};
  return core_->files().write(core_->names(id_, entry_).first, fd(), block * kBlockBytes, plain);
}

Status HeldContent::keep(uint32_t block, BytesView plain) {
  if (block >= blocks() || plain.size() != block_bytes(bytes_, block)) {
    return make_error(Code::Invalid, "cache: block " + std::to_string(block) + " of " + std::to_string(plain.size()) +
                                         " bytes is not of content " + id_.short_hex());
  }
  if (has(block)) return {};
  // The file was made as one hole; zeros stay it.
  if (is_zero(plain)) plain = {};
  uint64_t disk_bytes = (plain.size() + kDiskUnit - 1) / kDiskUnit * kDiskUnit;
  TRY(core_->reserve(disk_bytes));
  Status written = write(block, plain);
  if (!written.has_value() && written.error().code == Code::Exhausted && core_->make_room(disk_bytes)) {
    written = write(block, plain);
  }
  return core_->finish(id_, entry_, block, disk_bytes, std::move(written));
}

}  // namespace mcloud::image
