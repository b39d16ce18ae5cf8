#include "kv/batch.h"

#include <algorithm>

namespace mcloud::kv {
namespace {

constexpr size_t kSlotsMin = 64;
constexpr size_t kBytesKept = 4 << 20;  // what one large value needed is given back

}  // namespace

void Batch::add(uint64_t hash, const Header& header, BytesView key, BytesView value) {
  items_.push_back({bytes_.size(), hash, header, false});
  append_record(bytes_, header, key, value);
  if (items_.size() * 2 > newest_.size()) return rebuild(std::max(kSlotsMin, newest_.size() * 2));
  remember(items_.size() - 1);
}

void Batch::remember(size_t item) {
  items_[item].replaces = items_[item].header.previous;
  items_[item].is_newest = true;
  size_t at = items_[item].hash & (newest_.size() - 1);
  while (newest_[at] != 0) {
    Item& other = items_[newest_[at] - 1];
    if (other.hash == items_[item].hash && key_of(other) == key_of(items_[item])) {
      items_[item].replaces = other.replaces;
      other.is_newest = false;
      break;
    }
    at = (at + 1) & (newest_.size() - 1);
  }
  newest_[at] = static_cast<uint32_t>(item + 1);
}

void Batch::rebuild(size_t slots) {
  newest_.assign(slots, 0);
  for (size_t item = 0; item < items_.size(); ++item) remember(item);
}

const Batch::Item* Batch::find(uint64_t hash, BytesView key) const {
  if (items_.empty()) return nullptr;
  for (size_t at = hash & (newest_.size() - 1); newest_[at] != 0; at = (at + 1) & (newest_.size() - 1)) {
    const Item& item = items_[newest_[at] - 1];
    if (item.hash == hash && key_of(item) == key) return &item;
  }
  return nullptr;
}

BytesView Batch::key_of(const Item& item) const {
  return BytesView(bytes_).substr(item.offset + kHeaderBytes, item.header.key_bytes);
}

BytesView Batch::value_of(const Item& item) const {
  return BytesView(bytes_).substr(item.offset + item.header.head_bytes(), item.header.value_bytes);
}

void Batch::begin_transaction() { transaction_ = items_.size(); }

size_t Batch::transaction_bytes() const {
  return transaction_ < items_.size() ? bytes_.size() - items_[transaction_].offset : 0;
}

void Batch::end_transaction() {
  for (size_t i = transaction_; i + 1 < items_.size(); ++i) items_[i].continues = has_transaction_ = true;
  transaction_ = kNone;
}

void Batch::drop_transaction() {
  if (transaction_ < items_.size()) {
    bytes_.resize(items_[transaction_].offset);
    items_.resize(transaction_);
    rebuild(newest_.size());
  }
  transaction_ = kNone;
}

BytesView Batch::finish(uint64_t durable, uint32_t salt) {
  for (const Item& item : items_) finish_record(bytes_.data() + item.offset, durable, item.continues, salt);
  return bytes_;
}

void Batch::clear() {
  bytes_.clear();
  if (bytes_.capacity() > kBytesKept) bytes_.shrink_to_fit();
  if (newest_.size() > kSlotsMin * 64) newest_.clear();
  std::fill(newest_.begin(), newest_.end(), 0);
  items_.clear();
  transaction_ = kNone;
  has_transaction_ = false;
}

}  // namespace mcloud::kv
