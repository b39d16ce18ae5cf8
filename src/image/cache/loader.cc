#include "image/cache/loader.h"

#include "image/cache/loader_core.h"

namespace mcloud::image {
namespace {

class CoreImage final : public LoadedImage {
 public:
  CoreImage(std::shared_ptr<LoaderCore> core, LoaderCore::ImagePtr image)
      : core_(std::move(core)), image_(std::move(image)) {}
  ~CoreImage() override { core_->close(image_); }

  const Index& index() const override { return image_->index(); }
  void want(NodeNumber file, uint32_t block, Done done) override {
    core_->want(image_, {file, block}, std::move(done));
  }
  Result<std::shared_ptr<Content>> hold(NodeNumber file) override { return core_->hold(image_, file); }
  void prefetch(const std::vector<BlockPlace>& trace) override { core_->prefetch(image_, trace); }
  void complete() override { core_->complete(image_); }
  std::vector<BlockPlace> trace() const override { return core_->trace(image_); }
  LoadFigures figures() const override { return core_->figures(image_); }

 private:
  const std::shared_ptr<LoaderCore> core_;
  const LoaderCore::ImagePtr image_;
};

class CoreLoader final : public Loader {
 public:
  explicit CoreLoader(std::shared_ptr<LoaderCore> core) : core_(std::move(core)) {}
  ~CoreLoader() override { core_->stop(); }

  Result<std::shared_ptr<LoadedImage>> open(std::shared_ptr<const Index> index, std::unique_ptr<Routes> routes,
                                            uint64_t block_timeout_ms) override {
    auto image = TRY(core_->add(std::move(index), std::move(routes), block_timeout_ms));
    return std::make_shared<CoreImage>(core_, std::move(image));
  }

 private:
  const std::shared_ptr<LoaderCore> core_;
};

}  // namespace

std::unique_ptr<Loader> Loader::create(ContentCache& cache, const LoaderOptions& options) {
  auto core = std::make_shared<LoaderCore>(cache, options);
  core->start();
  return std::make_unique<CoreLoader>(std::move(core));
}

}  // namespace mcloud::image
