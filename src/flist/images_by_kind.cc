#include "flist/images_by_kind.h"

#include <algorithm>

#include "image/source.h"

namespace mcloud::flist {
namespace {

using image::PreparedImage;

class ImagesByKind final : public image::Images {
 public:
  ImagesByKind(std::unique_ptr<image::Images> unpacked, std::unique_ptr<image::Images> lazy)
      : unpacked_(std::move(unpacked)), lazy_(std::move(lazy)) {}

  Result<PreparedImage> prepare(const image::ImageWanted& wanted) override {
    image::Source source = TRY(image::parse_source(wanted.source));
    return (source.kind == image::Source::Kind::Flist ? lazy_ : unpacked_)->prepare(wanted);
  }

  Result<PreparedImage> find(const std::string& digest) override {
    Result<PreparedImage> found = lazy_->find(digest);
    if (found.has_value() || found.error().code != Code::NotFound) return found;
    return unpacked_->find(digest);
  }

  Result<std::vector<std::string>> list() override {
    std::vector<std::string> all = TRY(unpacked_->list());
    for (std::string& digest : TRY(lazy_->list())) all.push_back(std::move(digest));
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  // Absent is fine for both.
  Status remove(const std::string& digest) override {
    TRY(lazy_->remove(digest));
    return unpacked_->remove(digest);
  }

  Status make_durable() override {
    TRY(lazy_->make_durable());
    return unpacked_->make_durable();
  }

  std::string trouble(const std::string& digest) override { return lazy_->trouble(digest); }

  Result<std::optional<std::string>> shifted_root(const std::string& digest, uint32_t base) override {
    Result<std::optional<std::string>> root = lazy_->shifted_root(digest, base);
    if (root.has_value() || root.error().code != Code::NotFound) return root;
    return unpacked_->shifted_root(digest, base);
  }

 private:
  std::unique_ptr<image::Images> unpacked_;
  std::unique_ptr<image::Images> lazy_;
};

}  // namespace

std::unique_ptr<image::Images> images_by_kind(std::unique_ptr<image::Images> unpacked, std::unique_ptr<image::Images> lazy) {
  return std::make_unique<ImagesByKind>(std::move(unpacked), std::move(lazy));
}

}  // namespace mcloud::flist
