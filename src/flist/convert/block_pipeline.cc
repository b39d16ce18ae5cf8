#include "flist/convert/block_pipeline.h"

#include <condition_variable>  // with the mutex
#include <mutex>  // encoders and putters report to the one who adds
#include <optional>
#include <thread>  // hardware_concurrency
#include <unordered_set>

#include "io/loop.h"

namespace mcloud::flist {
namespace {

using image::BlockRef;
using image::kBlockBytes;

constexpr size_t kPutters = 16;  // as many as connections to a store (StoreOptions)

size_t encoder_count(size_t asked) { return asked != 0 ? asked : std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace

struct BlockPipeline::Inside {
  Inside(image::Routes& routes, const PipelineOptions& options_in)
      : stores(routes), options(options_in), putters(kPutters, kInFlight),
        encoders(encoder_count(options_in.threads), kInFlight) {}

  // A position for one more block, when there is room for it.
  Result<uint64_t> begin(uint64_t plain_bytes) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return in_flight < kInFlight || error.has_value(); });
    if (error.has_value()) return *error;
    ++in_flight;
    figures.bytes += plain_bytes;
    refs.emplace_back();
    return refs.size() - 1;
  }

  bool has_failed() {
    std::lock_guard lock(mutex);
    return error.has_value();
  }

  void end(uint64_t plain_bytes, Status outcome, const std::string& path) {
    uint64_t done_now = 0;
    {
      std::lock_guard lock(mutex);
      --in_flight;
      done_now = done += plain_bytes;
      if (!outcome.has_value() && !error.has_value()) {
        error = outcome.error().with_context("path \"" + path.substr(0, 200) + "\"");
      }
    }
    changed.notify_all();
    if (outcome.has_value() && options.on_progress) options.on_progress(done_now);
  }

  // True for the first block with its id.
  bool place(uint64_t position, const BlockRef& ref) {
    std::lock_guard lock(mutex);
    refs[position] = ref;
    bool is_new = seen.insert(ref.id).second;
    if (is_new) ++figures.blocks;
    return is_new;
  }

  void encode(uint64_t position, const std::shared_ptr<Bytes>& plain, const std::string& path) {
    uint64_t bytes = plain->size();
    if (has_failed()) return end(bytes, {}, path);
    auto block = std::make_shared<image::StoredBlock>(image::encode_block(*plain, options.secret));
    plain->clear();
    plain->shrink_to_fit();
    if (!place(position, block->ref)) return end(bytes, {}, path);
    putters.submit([this, block, bytes, path] {
      end(bytes, has_failed() ? Status() : stores.put(*block), path);
    });
  }

  void fetch(uint64_t position, const BlockRef& ref, uint64_t bytes, image::Routes& from, const std::string& path) {
    if (has_failed()) return end(bytes, {}, path);
    Result<Bytes> plain = from.fetch(ref, bytes);
    if (!plain.has_value()) return end(bytes, plain.error(), path);
    auto shared = std::make_shared<Bytes>(std::move(*plain));
    encoders.submit([this, position, shared, path] { encode(position, shared, path); });
  }

  image::Routes& stores;
  const PipelineOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  size_t in_flight = 0;
  uint64_t done = 0;
  std::optional<Error> error;
  std::vector<BlockRef> refs;
  std::unordered_set<Hash> seen;
  PipelineFigures figures;
  std::optional<BlockRef> zeros;  // only the one who adds looks at it
  // Neither refuses a job: no more blocks are in flight than may wait. Encoders end first, they give to putters.
  io::Pool putters;
  io::Pool encoders;
};

BlockPipeline::BlockPipeline(image::Routes& stores, const PipelineOptions& options)
    : inside_(std::make_unique<Inside>(stores, options)) {}

BlockPipeline::~BlockPipeline() {
  std::unique_lock lock(inside_->mutex);
  if (!inside_->error.has_value()) inside_->error = make_error(Code::Cancelled, "the conversion ended");
  // Jobs refer to both pools: none may be left when the first of them goes.
  inside_->changed.wait(lock, [this] { return inside_->in_flight == 0; });
}

Result<uint64_t> BlockPipeline::add(Bytes plain, const std::string& path) {
  Inside& in = *inside_;
  uint64_t position = TRY(in.begin(plain.size()));
  auto shared = std::make_shared<Bytes>(std::move(plain));
  in.encoders.submit([&in, position, shared, path] { in.encode(position, shared, path); });
  return position;
}

Result<uint64_t> BlockPipeline::add_zeros(const std::string& path) {
  Inside& in = *inside_;
  uint64_t position = TRY(in.begin(kBlockBytes));
  if (in.zeros.has_value()) {
    in.place(position, *in.zeros);
    in.end(kBlockBytes, {}, path);
    return position;
  }
  image::StoredBlock block = image::encode_block(Bytes(kBlockBytes, '\0'), in.options.secret);
  in.zeros = block.ref;
  bool is_new = in.place(position, block.ref);
  Status put = is_new ? in.stores.put(block) : Status();
  in.end(kBlockBytes, put, path);
  return position;
}

Result<uint64_t> BlockPipeline::add_fetched(const BlockRef& ref, uint64_t plain_bytes, image::Routes& from,
                                            const std::string& path) {
  Inside& in = *inside_;
  uint64_t position = TRY(in.begin(plain_bytes));
  in.putters.submit([&in, position, ref, plain_bytes, &from, path] { in.fetch(position, ref, plain_bytes, from, path); });
  return position;
}

Result<std::vector<BlockRef>> BlockPipeline::finish() {
  Inside& in = *inside_;
  std::unique_lock lock(in.mutex);
  in.changed.wait(lock, [&in] { return in.in_flight == 0; });
  if (in.error.has_value()) return *in.error;
  lock.unlock();
  TRY(in.stores.flush());
  return std::move(in.refs);
}

PipelineFigures BlockPipeline::figures() const {
  std::lock_guard lock(inside_->mutex);
  return inside_->figures;
}

}  // namespace mcloud::flist
