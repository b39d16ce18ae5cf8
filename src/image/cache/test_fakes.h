// For tests of what loads blocks: an index of plain files and stores that obey.
#pragma once

#include <condition_variable>  // a fetch waits until the test lets it go
#include <map>
#include <mutex>  // guards what fetches and the test share

#include "crypto/hash.h"
#include "image/blocks/block.h"
#include "image/cache/cache_names.h"
#include "image/cache/loader.h"

namespace mcloud::image::testing {

// The plain bytes of a file that `seed` names.
inline Bytes some_bytes(uint64_t size, uint64_t seed) {
  Bytes out(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (char& byte : out) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    byte = static_cast<char>(state >> 32);
  }
  return out;
}

// Node 0 is the root, files follow. Only what a loader asks for is there.
class FakeIndex final : public Index {
 public:
  explicit FakeIndex(std::vector<Bytes> files) : files_(std::move(files)) {
    for (const Bytes& file : files_) {
      std::vector<BlockRef>& refs = refs_.emplace_back();
      for (uint32_t i = 0; i < blocks_of(file.size()); ++i) {
        Bytes plain = file.substr(i * kBlockBytes, kBlockBytes);
        Hash key = crypto::blake2b(plain);
        refs.push_back({.id = crypto::blake2b({"id", key.view()}), .key = key});
        blocks_[refs.back().id] = std::move(plain);
      }
    }
  }

  // By id, for FakeRoutes.
  const std::map<Hash, Bytes>& blocks() const { return blocks_; }
  const Bytes& file(NodeNumber number) const { return files_[number - 1]; }

  BytesView bytes() const override { return {}; }
  uint32_t nodes() const override { return static_cast<uint32_t>(files_.size() + 1); }
  IndexNode node(NodeNumber number) const override {
    IndexNode out{};
    out.type = number == 0 ? Node::Type::Folder : Node::Type::File;
    out.bytes = number == 0 ? 0 : file(number).size();
    out.count = number == 0 ? nodes() - 1 : blocks_of(out.bytes);
    return out;
  }
  std::optional<IndexEntry> find(NodeNumber, std::string_view) const override { return std::nullopt; }
  IndexEntry entry(NodeNumber, uint32_t) const override { return {}; }
  std::string_view target(NodeNumber) const override { return {}; }
  BlockRef block(NodeNumber number, uint32_t position) const override { return refs_[number - 1][position]; }
  ContentId content(NodeNumber number) const override {
    Bytes all = std::to_string(file(number).size());
    for (const BlockRef& ref : refs_[number - 1]) all += ref.id.bytes();
    return crypto::blake2b(all);
  }
  BytesView sha256(NodeNumber) const override { return {}; }
  uint32_t attributes(NodeNumber) const override { return 0; }
  std::pair<std::string_view, BytesView> attribute(NodeNumber, uint32_t) const override { return {}; }
  std::string_view config() const override { return {}; }
  Image image() const override { return {}; }

 private:
  std::vector<Bytes> files_;
  std::vector<std::vector<BlockRef>> refs_;
  std::map<Hash, Bytes> blocks_;
};

// What a test and its stores share; outlives the loader's Routes.
class FakeStores {
 public:
  explicit FakeStores(std::map<Hash, Bytes> blocks) : blocks_(std::move(blocks)) {}

  // Fetches wait, or no longer.
  void hold_back() { set_open(false); }
  void let_go() { set_open(true); }
  void let_one_go() {
    std::lock_guard guard(mutex_);
    ++passes_;
    changed_.notify_all();
  }
  void fail_with(std::optional<Error> error) {
    std::lock_guard guard(mutex_);
    error_ = std::move(error);
  }
  // Until so many fetches have begun, or run at this moment.
  void wait_for_begun(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_.size() >= count; });
  }
  void wait_for_running(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return running_ == count; });
  }
  std::vector<Hash> begun() const {
    std::lock_guard guard(mutex_);
    return begun_;
  }
  size_t running() const {
    std::lock_guard guard(mutex_);
    return running_;
  }
  size_t running_most() const {
    std::lock_guard guard(mutex_);
    return running_most_;
  }

  Result<Bytes> fetch(const BlockRef& ref) {
    std::unique_lock lock(mutex_);
    begun_.push_back(ref.id);
    running_most_ = std::max(running_most_, ++running_);
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_ || is_cancelled_ || passes_ > 0; });
    if (!is_open_ && passes_ > 0) --passes_;
    --running_;
    changed_.notify_all();
    if (is_cancelled_) return make_error(Code::Cancelled, "nobody waits");
    if (error_) return *error_;
    auto found = blocks_.find(ref.id);
    if (found == blocks_.end()) return make_error(Code::NotFound, "no such block");
    return found->second;
  }
  void cancel() {
    std::lock_guard guard(mutex_);
    is_cancelled_ = true;
    changed_.notify_all();
  }

 private:
  void set_open(bool is_open) {
    std::lock_guard guard(mutex_);
    is_open_ = is_open;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Hash, Bytes> blocks_;
  std::vector<Hash> begun_;
  std::optional<Error> error_;
  size_t running_ = 0, running_most_ = 0, passes_ = 0;
  bool is_open_ = true, is_cancelled_ = false;
};

class FakeRoutes final : public Routes {
 public:
  explicit FakeRoutes(std::shared_ptr<FakeStores> stores) : stores_(std::move(stores)) {}
  Result<Bytes> fetch(const BlockRef& ref, uint64_t) override { return stores_->fetch(ref); }
  Status put(const StoredBlock&) override { return make_error(Code::Unsupported, "a fake"); }
  std::vector<StoreFigures> figures() const override { return {}; }
  void cancel() override { stores_->cancel(); }

 private:
  const std::shared_ptr<FakeStores> stores_;
};

// One want() and its end.
class Want {
 public:
  using Outcome = Result<std::optional<Bytes>>;

  Want(LoadedImage& image, NodeNumber file, uint32_t block) : state_(std::make_shared<State>()) {
    image.want(file, block, [state = state_](Outcome outcome) {
      std::lock_guard guard(state->mutex);
      ++state->calls;
      state->outcome = std::move(outcome);
      state->changed.notify_all();
    });
  }
  Outcome wait() const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->calls > 0; });
    return state_->outcome;
  }
  bool is_over() const { return calls() > 0; }
  int calls() const {
    std::lock_guard guard(state_->mutex);
    return state_->calls;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    int calls = 0;
    Outcome outcome = std::nullopt;
  };
  std::shared_ptr<State> state_;
};

}  // namespace mcloud::image::testing
