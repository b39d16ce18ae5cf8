// Inside of a loader: what is asked for, what is fetched, by whom. Shared by its images, so that one may be dropped
// after the loader.
#pragma once

#include <condition_variable>  // its threads wait for work
#include <deque>
#include <list>
#include <memory>
#include <mutex>   // guards the queues and the images' states; never held for a fetch, a file or a callback
#include <thread>  // fetches block
#include <unordered_map>

#include "image/cache/image_state.h"

namespace mcloud::image {

class LoaderCore : public std::enable_shared_from_this<LoaderCore> {
 public:
  using Clock = ImageState::Clock;
  using Done = LoadedImage::Done;
  using ImagePtr = std::shared_ptr<ImageState>;

  LoaderCore(ContentCache& cache, const LoaderOptions& options);
  void start();
  // Ends all waits with Cancelled and joins the threads.
  void stop();

  Result<ImagePtr> add(std::shared_ptr<const Index> index, std::unique_ptr<Routes> routes, uint64_t block_timeout_ms);
  void close(const ImagePtr& image);
  void want(const ImagePtr& image, const BlockPlace& place, Done done);
  Result<std::shared_ptr<Content>> hold(const ImagePtr& image, NodeNumber file);
  void prefetch(const ImagePtr& image, const std::vector<BlockPlace>& trace);
  void complete(const ImagePtr& image);
  std::vector<BlockPlace> trace(const ImagePtr& image) const;
  LoadFigures figures(const ImagePtr& image) const;

 private:
  struct Key {
    ContentId content;
    uint32_t block = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return std::hash<ContentId>()(key.content) * 31 + key.block; }
  };
  struct Waiter {
    ImagePtr image;
    BlockOrder order;
    Done done;
    Clock::time_point deadline;
  };
  // A fetch that runs or, when somebody waits for it, is going to.
  struct Job {
    ImagePtr image;  // by whose routes
    BlockOrder order;
    std::shared_ptr<Content> content;  // nullptr: it cannot be kept
    std::vector<Waiter> waiters;
  };
  enum class Why { Demand, Hint, Completion };
  struct Hint {
    ImagePtr image;
    BlockPlace place;
    size_t round = 0;  // of a trace
  };
  // A wait that is over; told with the lock not held.
  struct Ended {
    ImagePtr image;  // the last to hold it may be we
    Done done;
    Result<std::optional<Bytes>> outcome;
  };

  // Under the lock.
  void enqueue(Waiter waiter, std::shared_ptr<Content> content);
  void wake_worker();
  std::optional<Hint> next_hint(Why& why);
  std::optional<Hint> next_completion();
  void note_kept();
  void note_background(const ImagePtr& image, Why why, const Result<bool>& kept);
  void end_waits(Job& job, const ImagePtr& image, const Result<Bytes>& plain, bool is_kept, std::vector<Ended>& ended);
  Clock::time_point end_late_waits(std::vector<Ended>& ended);
  Clock::time_point resume_completions();
  static void end(std::vector<Ended>& ended, Waiter waiter, Result<std::optional<Bytes>> outcome);

  // Under the lock, which they let go while they work.
  void work_on_demand(std::unique_lock<std::mutex>& lock);
  void work_in_background(std::unique_lock<std::mutex>& lock, Hint hint, Why why);

  // Not under the lock.
  void work();
  void watch();
  void settle();
  // Whether it is in the cache now; an error when no store gave it.
  Result<bool> load(const Key& key, const ImagePtr& image, const BlockOrder& order,
                    const std::shared_ptr<Content>& content);
  std::shared_ptr<Content> hold(const BlockOrder& order);
  static void run(std::vector<Ended>& ended);

  ContentCache& cache_;
  const LoaderOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable work_, watch_, settle_;
  bool is_stopped_ = false;
  std::unordered_map<Key, Job, KeyHash> jobs_;
  std::deque<Key> demand_;
  std::deque<Hint> trace_, ahead_;
  std::vector<ImagePtr> images_;
  size_t completion_turn_ = 0;  // images take turns
  size_t running_background_ = 0;
  size_t idle_ = 0;
  Clock::time_point watch_until_ = Clock::time_point::max();
  bool has_kept_ = false;  // something waits for settle()
  std::vector<std::jthread> workers_;
  std::jthread watcher_, settler_;
};

}  // namespace mcloud::image
