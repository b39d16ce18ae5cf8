// The one who writes to a LocalNamespace.
#pragma once

#include <mutex>  // the lock that makes it the one

#include "kv/local_namespace.h"

namespace mcloud::kv {

class LocalWriter final : public Writer {
 public:
  struct Rules {
    uint64_t epoch = 0;
    KeyMode mode = KeyMode::User;
    bool is_write_once = false;
    uint64_t bytes_max = 0;
  };
  LocalWriter(LocalNamespace& space, std::unique_lock<std::mutex> lock, const Rules& rules);
  ~LocalWriter() override;

  uint64_t now_ms() const override { return standing_ms_ ? *standing_ms_ : space_.now_ms(); }
  Result<std::optional<Entry>> find(std::string_view key) override;
  Result<Position> put(std::string_view key, std::string_view value, const Timing& timing) override;
  Result<Position> remove(std::string_view key, std::optional<uint64_t> time_ms) override;
  uint64_t next_id() override { return totals_.next_id; }
  void begin() override;
  Status commit() override;
  Status flush() override;

  // --- for the sweeper
  // Adds the deletion of the key whose newest record is at `position`, if that has expired.
  Status expire(uint64_t hash, Position position);

  // --- for compaction
  // Begins a new segment.
  Status roll();
  bool has_unwritten(uint64_t hash, std::string_view key) const { return batch_.find(hash, key) != nullptr; }
  // Appends copies of a key's versions (newest first), all or none; `newest` is the key's newest record now.
  Status move(const std::vector<Header>& versions, BytesView key, const Header& newest);

 private:
  // The newest record of a key, in the batch or in the log.
  struct Newest {
    std::optional<Position> position;
    uint32_t value_bytes = kNoValue;  // kNoValue: absent or deleted
    bool is_expired = false;
    bool is_counted() const { return value_bytes != kNoValue; }  // in the live bytes
    bool is_live() const { return is_counted() && !is_expired; }
  };
  bool is_absent(const Header& header) const {
    return header.is_deletion || (header.expiry_ms && *header.expiry_ms <= now_ms());
  }
  Newest newest_of(const Header& header) const;
  Result<Newest> newest(uint64_t hash, std::string_view key);
  Status check_put(std::string_view key, size_t value_bytes, const Timing& timing, const Newest& old) const;
  // Makes room: writes the batch out, begins a new segment.
  Status prepare(size_t record_bytes);
  Position add(uint64_t hash, Header header, BytesView key, BytesView value);
  Status write_out();
  void publish();  // to the index: from here on readers see the batch

  LocalNamespace& space_;
  std::unique_lock<std::mutex> lock_;
  Rules rules_;
  Batch& batch_;
  Totals totals_;              // with the batch
  Totals totals_before_;       // of the transaction
  std::optional<uint64_t> standing_ms_;  // the time of the transaction
  uint64_t expired_ = 0;       // keys, in the batch
  std::optional<Error> lost_;  // writing out in between failed: flush() says so
};

}  // namespace mcloud::kv
