#include "flist/convert/content.h"

#include <algorithm>
#include <cstring>

namespace mcloud::flist {
namespace {

using image::kBlockBytes;

const Bytes& zeros() {
  static const Bytes block(kBlockBytes, '\0');
  return block;
}

bool is_zeros(const Bytes& block) {
  return block.size() == kBlockBytes && block[0] == '\0' && std::memcmp(block.data(), zeros().data(), kBlockBytes) == 0;
}

}  // namespace

Status FileCutter::add(uint64_t offset, BytesView bytes) {
  if (offset < at_ || offset > bytes_ || bytes.size() > bytes_ - offset) {
    return make_error(Code::Corrupt, "its content does not fit its size");
  }
  TRY(fill(offset));
  hash_.update(bytes);
  return append(bytes);
}

Status FileCutter::append(BytesView bytes) {
  while (!bytes.empty()) {
    if (block_.empty()) block_.reserve(std::min(kBlockBytes, bytes_ - at_));
    BytesView part = bytes.substr(0, kBlockBytes - block_.size());
    block_ += part;
    at_ += part.size();
    bytes.remove_prefix(part.size());
    if (block_.size() == kBlockBytes) TRY(flush());
  }
  return {};
}

Status FileCutter::fill(uint64_t end) {
  while (at_ < end) {
    uint64_t count = std::min(end - at_, kBlockBytes - block_.size());
    BytesView part = BytesView(zeros()).substr(0, count);
    hash_.update(part);
    if (count < kBlockBytes) {
      TRY(append(part));
      continue;
    }
    at_ += count;
    place(TRY(sink_.add_zeros(path_)));
  }
  return {};
}

Status FileCutter::flush() {
  Bytes block = std::move(block_);
  block_ = Bytes();
  place(is_zeros(block) ? TRY(sink_.add_zeros(path_)) : TRY(sink_.add(std::move(block), path_)));
  return {};
}

void FileCutter::place(uint64_t position) {
  if (content_.blocks.count == 0) content_.blocks.first = position;
  ++content_.blocks.count;
}

Result<FileContent> FileCutter::finish() {
  TRY(fill(bytes_));
  if (!block_.empty()) TRY(flush());
  content_.sha256 = hash_.finish();
  return std::move(content_);
}

}  // namespace mcloud::flist
