// One file of the log: the stretch that begins at the position in its name.
#pragma once

#include <memory>
#include <string>

#include "base/disk.h"
#include "kv/index/checkpoint.h"

namespace mcloud::kv {

std::string segment_name(uint64_t begin);                              // 12 hexadecimal digits + ".log"
std::string checkpoint_name(uint64_t begin);                           // ... + ".index"
std::optional<uint64_t> begin_of_segment_name(std::string_view name);  // nullopt: another file
std::optional<uint64_t> begin_of_checkpoint_name(std::string_view name);

// Reads from any thread; one writer. What it reads of places that were never written is undefined.
class Segment {
 public:
  // `map_bytes`: how much of the file is read through memory; beyond it by system calls.
  static Result<std::shared_ptr<Segment>> make(std::unique_ptr<File> file, uint64_t begin, uint64_t map_bytes);

  uint64_t begin() const { return begin_; }
  File& file() const { return *file_; }
  Status write(uint64_t position, BytesView bytes) { return file_->write(position - begin_, bytes); }
  // Exactly `size` bytes; Corrupt when the file ends before.
  Status read(uint64_t position, char* to, size_t size) const;
  // A hint that this is read soon.
  void prefetch(uint64_t position, size_t size) const {
    if (mapping_) mapping_->prefetch(position - begin_, size);
  }

 private:
  Segment(std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping, uint64_t begin)
      : file_(std::move(file)), mapping_(std::move(mapping)), begin_(begin) {}

  std::unique_ptr<File> file_;
  std::unique_ptr<Mapping> mapping_;
  uint64_t begin_;
};

using SegmentPtr = std::shared_ptr<Segment>;

}  // namespace mcloud::kv
