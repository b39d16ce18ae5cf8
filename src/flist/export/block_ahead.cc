#include "flist/export/block_ahead.h"

#include <condition_variable>  // with the mutex
#include <mutex>  // fetching threads hand over what they got
#include <optional>

#include "io/loop.h"

namespace mcloud::flist {
namespace {

constexpr size_t kWindow = 16;

}  // namespace

struct BlockAhead::Inside {
  Inside(image::Routes& routes, std::vector<Want> all)
      : stores(routes), wants(std::move(all)), got(kWindow), pool(std::min(kWindow, wants.size()), kWindow) {}

  // The pool takes it: no more wait than the window has.
  void begin(size_t position) {
    if (position >= wants.size()) return;
    pool.submit([this, position] {
      Result<Bytes> plain = stores.fetch(wants[position].ref, wants[position].plain_bytes);
      {
        std::lock_guard lock(mutex);
        got[position % kWindow] = std::move(plain);
      }
      arrived.notify_all();
    });
  }

  image::Routes& stores;
  const std::vector<Want> wants;
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::optional<Result<Bytes>>> got;  // of positions [at, at + kWindow)
  size_t at = 0;
  io::Pool pool;  // last: it ends first
};

BlockAhead::BlockAhead(image::Routes& stores, std::vector<Want> wants)
    : inside_(std::make_unique<Inside>(stores, std::move(wants))) {
  for (size_t i = 0; i < kWindow; ++i) inside_->begin(i);
}

BlockAhead::~BlockAhead() = default;

Result<Bytes> BlockAhead::next() {
  Inside& in = *inside_;
  std::unique_lock lock(in.mutex);
  std::optional<Result<Bytes>>& slot = in.got[in.at % kWindow];
  in.arrived.wait(lock, [&] { return slot.has_value(); });
  Result<Bytes> out = std::move(*slot);
  slot.reset();
  lock.unlock();
  in.begin(in.at++ + kWindow);
  return out;
}

}  // namespace mcloud::flist
