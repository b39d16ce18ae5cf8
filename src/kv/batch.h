// What a writer has put and not yet handed to the log: the records' bytes, and who is newest by key.
#pragma once

#include <vector>

#include "kv/index/checkpoint.h"
#include "kv/log/record.h"

namespace mcloud::kv {

class Batch {
 public:
  struct Item {
    size_t offset = 0;  // of the record in the batch
    uint64_t hash = 0;
    Header header;
    bool continues = false;
    std::optional<uint64_t> replaces = std::nullopt;  // the version before the batch
    bool is_newest = true;                            // of its key in the batch
  };

  void add(uint64_t hash, const Header& header, BytesView key, BytesView value);
  const Item* find(uint64_t hash, BytesView key) const;
  BytesView value_of(const Item& item) const;
  BytesView key_of(const Item& item) const;

  bool is_empty() const { return items_.empty(); }
  size_t bytes() const { return bytes_.size(); }
  const std::vector<Item>& items() const { return items_; }

  // Records from here on belong together until end(); until then they are not to be written.
  void begin_transaction();
  void end_transaction();
  void drop_transaction();
  bool has_transaction() const { return has_transaction_; }  // one of more than one record
  bool in_transaction() const { return transaction_ != kNone; }
  size_t transaction_records() const { return items_.size() - transaction_; }
  size_t transaction_bytes() const;

  // The bytes as they go into the log.
  BytesView finish(uint64_t durable, uint32_t salt);
  void clear();

 private:
  static constexpr size_t kNone = ~size_t{0};
  void remember(size_t item);
  void rebuild(size_t slots);

  Bytes bytes_;
  std::vector<Item> items_;
  std::vector<uint32_t> newest_;  // open addressing by hash: index of a key's newest item + 1
  size_t transaction_ = kNone;    // its first item
  bool has_transaction_ = false;
};

}  // namespace mcloud::kv
