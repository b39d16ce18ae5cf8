#include "image/cache/loader_core.h"

#include <algorithm>

namespace mcloud::image {
namespace {

constexpr size_t kHintsMax = 16'384;  // of all images; beyond, the oldest are dropped

Error cancelled() { return make_error(Code::Cancelled, "the loader ends"); }

}  // namespace

LoaderCore::LoaderCore(ContentCache& cache, const LoaderOptions& options)
    : cache_(cache), options_([&] {
        LoaderOptions sane = options;
        sane.fetches_max = std::max<size_t>(2, sane.fetches_max);
        sane.background_fetches_max = std::min(sane.background_fetches_max, sane.fetches_max - 1);
        return sane;
      }()) {}

void LoaderCore::start() {
  watcher_ = std::jthread([this] { watch(); });
  settler_ = std::jthread([this] { settle(); });
}

void LoaderCore::stop() {
  std::vector<Ended> ended;
  std::vector<ImagePtr> images;
  {
    std::lock_guard guard(mutex_);
    is_stopped_ = true;
    for (auto& [key, job] : jobs_) {
      for (Waiter& waiter : job.waiters) end(ended, std::move(waiter), cancelled());
      job.waiters.clear();
    }
    images = images_;
    work_.notify_all();
    watch_.notify_all();
    settle_.notify_all();
  }
  run(ended);
  for (const ImagePtr& image : images) image->routes().cancel();
  // No thread is added any more.
  workers_.clear();
  watcher_ = {};
  settler_ = {};
}

Result<LoaderCore::ImagePtr> LoaderCore::add(std::shared_ptr<const Index> index, std::unique_ptr<Routes> routes,
                                             uint64_t block_timeout_ms) {
  auto image = std::make_shared<ImageState>(std::move(index), std::move(routes), block_timeout_ms);
  std::lock_guard guard(mutex_);
  if (is_stopped_) return cancelled();
  images_.push_back(image);
  return image;
}

void LoaderCore::close(const ImagePtr& image) {
  std::lock_guard guard(mutex_);
  auto is_of_it = [&](const Hint& hint) { return hint.image == image; };
  std::erase_if(trace_, is_of_it);
  std::erase_if(ahead_, is_of_it);
  std::erase(images_, image);
}

std::shared_ptr<Content> LoaderCore::hold(const BlockOrder& order) {
  auto content = cache_.hold(order.content, order.content_bytes);
  // Whatever is wrong with the disk: it is served from memory.
  return content.has_value() ? std::move(*content) : nullptr;
}

Result<std::shared_ptr<Content>> LoaderCore::hold(const ImagePtr& image, NodeNumber file) {
  if (file >= image->index().nodes() || image->index().node(file).type != Node::Type::File) {
    return make_error(Code::Invalid, "node " + std::to_string(file) + " is no file");
  }
  ContentId id;
  {
    std::lock_guard guard(mutex_);
    if (is_stopped_) return cancelled();
    id = image->content(file);
  }
  return cache_.hold(id, image->index().node(file).bytes);
}

void LoaderCore::want(const ImagePtr& image, const BlockPlace& place, Done done) {
  if (!image->has(place)) {
    return done(make_error(Code::Invalid, "node " + std::to_string(place.node) + " has no block " +
                                              std::to_string(place.block)));
  }
  BlockOrder order;
  {
    std::unique_lock lock(mutex_);
    if (is_stopped_) {
      lock.unlock();
      return done(cancelled());
    }
    order = image->order(place);
    for (const BlockPlace& next : image->note_want(place, options_.read_ahead_blocks)) {
      ahead_.push_back({image, next});
      wake_worker();
    }
    while (ahead_.size() > kHintsMax) ahead_.pop_front();
  }
  std::shared_ptr<Content> content = hold(order);
  if (content && content->has(place.block)) return done(std::nullopt);
  if (order.is_zero()) {
    if (!content || !content->keep(place.block, zero_block()).has_value()) return done(zero_block());
    {
      std::lock_guard guard(mutex_);
      note_kept();
    }
    return done(std::nullopt);
  }
  Waiter waiter{image, order, std::move(done), Clock::now() + image->block_timeout()};
  std::vector<Ended> ended;
  {
    std::lock_guard guard(mutex_);
    if (is_stopped_) {
      end(ended, std::move(waiter), cancelled());
    } else if (content && content->has(place.block)) {
      end(ended, std::move(waiter), std::nullopt);  // it came while we were not looking
    } else {
      enqueue(std::move(waiter), std::move(content));
    }
  }
  run(ended);
}

void LoaderCore::enqueue(Waiter waiter, std::shared_ptr<Content> content) {
  if (waiter.deadline < watch_until_) watch_.notify_one();
  Key key{waiter.order.content, waiter.order.place.block};
  auto [found, is_new] = jobs_.try_emplace(key);
  Job& job = found->second;
  if (is_new) {
    job.image = waiter.image;
    job.order = waiter.order;
    job.content = std::move(content);
    demand_.push_back(key);
  }
  job.waiters.push_back(std::move(waiter));
  if (is_new) wake_worker();
}

void LoaderCore::prefetch(const ImagePtr& image, const std::vector<BlockPlace>& trace) {
  std::lock_guard guard(mutex_);
  if (is_stopped_) return;
  size_t round = ++image->prefetch_round;
  std::erase_if(trace_, [&](const Hint& hint) { return hint.image == image; });
  size_t count = std::min(trace.size(), kTraceMax);
  for (size_t i = 0; i < count && trace_.size() < kHintsMax; ++i) {
    if (!image->has(trace[i])) continue;
    trace_.push_back({image, trace[i], round});
    wake_worker();
  }
}

void LoaderCore::complete(const ImagePtr& image) {
  std::lock_guard guard(mutex_);
  if (is_stopped_) return;
  image->is_completing = true;
  wake_worker();
}

std::vector<BlockPlace> LoaderCore::trace(const ImagePtr& image) const {
  std::lock_guard guard(mutex_);
  return image->trace();
}

LoadFigures LoaderCore::figures(const ImagePtr& image) const {
  LoadFigures out;
  const Index& index = image->index();
  std::unordered_map<ContentId, uint64_t> contents;
  for (NodeNumber number = 0; number < index.nodes(); ++number) {
    IndexNode node = index.node(number);
    if (node.type == Node::Type::File && node.bytes > 0) contents.emplace(index.content(number), node.bytes);
  }
  for (const auto& [id, bytes] : contents) {
    out.bytes += bytes;
    out.cached_bytes += cache_.kept_bytes(id);
  }
  out.stores = image->routes().figures();
  std::lock_guard guard(mutex_);
  out.read_errors = image->read_errors;
  out.fetched_blocks = image->fetched_blocks;
  out.fetched_bytes = image->fetched_bytes;
  return out;
}

}  // namespace mcloud::image
