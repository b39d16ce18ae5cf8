// For tests: a cache in memory and a loader whose blocks come from a function of the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>  // fetches of tests run on threads
#include <functional>
#include <map>
#include <mutex>   // as above
#include <thread>  // as above

#include "image/cache/loader.h"

namespace mcloud::image {

class TestContent : public Content {
 public:
  TestContent(uint64_t bytes, bool keeps)
      : bytes_(bytes), keeps_(keeps), have_(blocks()), fd_(::memfd_create("test-content", MFD_CLOEXEC)) {
    static_cast<void>(!::ftruncate(fd_.get(), static_cast<off_t>(bytes)));
  }
  uint64_t bytes() const override { return bytes_; }
  uint32_t blocks() const override { return static_cast<uint32_t>((bytes_ + kBlockBytes - 1) / kBlockBytes); }
  bool has(uint32_t block) const override { return have_[block]; }
  bool is_whole() const override {
    for (const auto& one : have_) {
      if (!one) return false;
    }
    return true;
  }
  int fd() const override { return fd_.get(); }
  Status keep(uint32_t block, BytesView plain) override {
    if (!keeps_) return make_error(Code::Exhausted, "the test's cache is full");
    static_cast<void>(!::pwrite(fd_.get(), plain.data(), plain.size(), static_cast<off_t>(block * kBlockBytes)));
    have_[block] = true;
    return {};
  }

 private:
  uint64_t bytes_;
  bool keeps_;
  std::vector<std::atomic<bool>> have_;
  io::Fd fd_;
};

class TestCache : public ContentCache {
 public:
  Result<std::shared_ptr<Content>> hold(const ContentId& id, uint64_t bytes) override {
    std::lock_guard lock(mutex_);
    auto& content = contents_[id];
    if (content == nullptr) content = std::make_shared<TestContent>(bytes, keeps);
    return std::shared_ptr<Content>(content);
  }
  uint64_t kept_bytes(const ContentId&) const override { return 0; }
  bool is_whole(const ContentId& id) const override {
    std::lock_guard lock(mutex_);
    auto found = contents_.find(id);
    return found != contents_.end() && found->second->is_whole();
  }
  Result<bool> settle() override { return false; }
  CacheFigures figures() const override { return {}; }

  bool keeps = true;

 private:
  mutable std::mutex mutex_;
  std::map<ContentId, std::shared_ptr<TestContent>> contents_;
};

// Fetches on a thread for each block that is not there.
class TestLoadedImage : public LoadedImage {
 public:
  using Fetch = std::function<Result<Bytes>(const BlockRef& block, uint64_t plain_bytes)>;
  TestLoadedImage(TestCache& cache, std::shared_ptr<const Index> index, Fetch fetch)
      : cache_(cache), index_(std::move(index)), fetch_(std::move(fetch)) {}
  ~TestLoadedImage() override { finish(); }
  // Waits for all fetches. Before its owner lets go: they may hold it, too.
  void finish() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  const Index& index() const override { return *index_; }
  void want(NodeNumber file, uint32_t block, std::function<void(Result<std::optional<Bytes>>)> done) override {
    std::shared_ptr<Content> content = *hold(file);
    if (content->has(block)) return done(std::optional<Bytes>());
    uint64_t bytes = std::min(kBlockBytes, content->bytes() - block * kBlockBytes);
    std::lock_guard lock(mutex_);
    threads_.emplace_back([this, content, file, block, bytes, done = std::move(done)] {
      Result<Bytes> plain = fetch_(index_->block(file, block), bytes);
      if (!plain.has_value()) return done(plain.error());
      if (content->keep(block, *plain).has_value()) return done(std::optional<Bytes>());
      done(std::optional<Bytes>(std::move(*plain)));
    });
  }
  Result<std::shared_ptr<Content>> hold(NodeNumber file) override {
    return cache_.hold(index_->content(file), index_->node(file).bytes);
  }
  void prefetch(const std::vector<BlockPlace>& trace) override { prefetched = trace; }
  void complete() override { is_completed = true; }
  std::vector<BlockPlace> trace() const override { return {}; }
  LoadFigures figures() const override { return {}; }

  std::vector<BlockPlace> prefetched;
  bool is_completed = false;

 private:
  TestCache& cache_;
  std::shared_ptr<const Index> index_;
  Fetch fetch_;
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

}  // namespace mcloud::image
