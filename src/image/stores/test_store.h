// Tests only: a store in memory that does as it is told.
#pragma once

#include <atomic>  // tests change it while threads ask
#include <condition_variable>  // as above
#include <functional>
#include <map>
#include <mutex>  // as above

#include "image/stores/make_routes.h"

namespace mcloud::image {

// What a test keeps of a store that Routes own.
struct TestStoreState {
  std::string name = "test://store";
  std::mutex mutex;
  std::condition_variable changed;
  std::map<Hash, Bytes> blocks;
  std::optional<Error> failure;  // of every call
  bool hangs = false;            // gets wait until this is false, or until their deadline
  bool is_cancelled = false;
  size_t gets = 0, puts = 0, flushes = 0;

  void set(const std::function<void(TestStoreState&)>& change) {
    std::lock_guard lock(mutex);
    change(*this);
    changed.notify_all();
  }
  template <typename T>
  T look(T TestStoreState::* member) {
    std::lock_guard lock(mutex);
    return this->*member;
  }
};

class TestStore final : public BlockStore {
 public:
  explicit TestStore(std::shared_ptr<TestStoreState> state) : state_(std::move(state)) {}

  Result<Bytes> get(const Hash& id, uint64_t timeout_ms) override {
    std::unique_lock lock(state_->mutex);
    ++state_->gets;
    state_->changed.notify_all();
    auto is_free = [this] { return !state_->hangs || state_->is_cancelled; };
    if (!state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), is_free)) {
      return make_error(Code::TimedOut, "it hangs");
    }
    if (state_->is_cancelled) return make_error(Code::Cancelled, "cancelled");
    if (state_->failure) return *state_->failure;
    auto found = state_->blocks.find(id);
    if (found == state_->blocks.end()) return make_error(Code::NotFound, "not here");
    return found->second;
  }
  Status put(const Hash& id, BytesView stored, uint64_t) override {
    std::lock_guard lock(state_->mutex);
    ++state_->puts;
    if (state_->failure) return *state_->failure;
    state_->blocks[id] = Bytes(stored);
    return {};
  }
  Result<bool> has(const Hash& id, uint64_t) override {
    std::lock_guard lock(state_->mutex);
    if (state_->failure) return *state_->failure;
    return state_->blocks.contains(id);
  }
  Status flush(uint64_t) override {
    std::lock_guard lock(state_->mutex);
    ++state_->flushes;
    return state_->failure ? Status(*state_->failure) : Status();
  }
  void cancel() override {
    state_->set([](TestStoreState& state) { state.is_cancelled = true; });
  }
  const std::string& name() const override { return state_->name; }

 private:
  const std::shared_ptr<TestStoreState> state_;
};

}  // namespace mcloud::image
