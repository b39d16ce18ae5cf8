// For tests: a cache's folder whose power can be cut. Each change is done to a simulated disk and, when that has power,
// to a real folder; after a cut the next one begins with what the simulated disk has kept.
#pragma once

#include <map>

#include "image/cache/cache_files.h"
#include "testing/simulated_disk.h"

namespace mcloud::image::testing {

// Borrows the disk. `folder` does not exist yet. One thread.
class MirroredFiles final : public CacheFiles {
 public:
  static Result<std::unique_ptr<CacheFiles>> open(mcloud::testing::SimulatedDisk& disk, const std::string& folder) {
    for (const std::string& sub : disk.list(kRoot).value_or(std::vector<std::string>())) {
      for (const std::string& name : TRY(disk.list(std::string(kRoot) + "/" + sub))) {
        TRY(io::make_folders(folder + "/" + sub));
        Bytes bytes = TRY(read_whole(disk, sub + "/" + name));
        TRY(io::write_file(folder + "/" + sub + "/" + name, bytes, io::Durability::None));
      }
    }
    TRY(disk.make_folder(kRoot));
    return std::make_unique<MirroredFiles>(disk, TRY(open_cache_folder(folder)));
  }
  MirroredFiles(mcloud::testing::SimulatedDisk& disk, std::unique_ptr<CacheFiles> real)
      : disk_(disk), real_(std::move(real)) {}

  Result<std::vector<CacheFile>> list(uint8_t folder) override { return real_->list(folder); }
  Result<io::Fd> create(const std::string& name, uint64_t bytes) override {
    TRY(disk_.make_folder(path(name.substr(0, 2))));
    auto file = TRY(disk_.open(path(name), OpenMode::Create));
    TRY(file->truncate(bytes));
    return real_->create(name, bytes);
  }
  Result<io::Fd> open(const std::string& name, uint64_t bytes) override { return real_->open(name, bytes); }
  Status write(const std::string& name, int fd, uint64_t offset, BytesView bytes) override {
    auto file = TRY(disk_.open(path(name), OpenMode::Write));
    TRY(file->write(offset, bytes));
    return real_->write(name, fd, offset, bytes);
  }
  Status sync(const std::vector<std::string>& names) override {
    for (const std::string& name : names) {
      auto file = TRY(disk_.open(path(name), OpenMode::Write));
      TRY(file->sync());
    }
    return {};
  }
  Result<Bytes> read(const std::string& name, size_t bytes_max) override { return real_->read(name, bytes_max); }
  Status put(const std::string& name, BytesView bytes) override {
    auto file = disk_.open(path(name), OpenMode::Create);
    if (!file.has_value() && file.error().code == Code::AlreadyExists) file = disk_.open(path(name), OpenMode::Write);
    if (!file.has_value()) return file.error();
    TRY((*file)->write(0, bytes));
    return real_->put(name, bytes);
  }
  Status rename(const std::string& from, const std::string& to) override {
    TRY(disk_.rename(path(from), path(to)));
    return real_->rename(from, to);
  }
  Status remove(const std::string& name) override {
    TRY(disk_.remove(path(name)));
    return real_->remove(name);
  }
  Status touch(const std::string& name, int64_t used_ns) override { return real_->touch(name, used_ns); }
  uint64_t free_bytes() override { return real_->free_bytes(); }

 private:
  static constexpr const char* kRoot = "/cache";

  static std::string path(const std::string& name) { return std::string(kRoot) + "/" + name; }
  static Result<Bytes> read_whole(mcloud::testing::SimulatedDisk& disk, const std::string& name) {
    auto file = TRY(disk.open(path(name), OpenMode::Read));
    uint64_t size = TRY(file->size());
    Bytes out(size, '\0');
    TRY(file->read(0, out.data(), out.size()));
    return out;
  }

  mcloud::testing::SimulatedDisk& disk_;
  const std::unique_ptr<CacheFiles> real_;
};

}  // namespace mcloud::image::testing
