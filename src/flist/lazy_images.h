// Images of `.fl` files on a node: fetched, imported, checked, then attached to the node's lazy file system. A
// container starts on them while their blocks arrive.
//
//   FOLDER/fl/<hex>.fl        the file as it came
//   FOLDER/index/<hex>        its flat index, whose SHA-256 is the image's digest
//   FOLDER/index/<hex>.json   routes, signatures, config (flist/image_record.h); written last: with it the image is here
// All durable before prepare() returns. Blocks lie in the cache of the mount.
#pragma once

#include <functional>

#include "flist/fetch.h"
#include "image/image.h"
#include "image/mount/image_mount.h"

namespace mcloud::flist {

struct LazyImagesOptions {
  std::string folder;                  // DATA/images
  FetchOptions fetch;
  uint64_t wait_timeout_ms = 120'000;  // for another process that prepares the same image
  // Joins or starts the node's lazy file system; called when an image is first used and after it was lost.
  std::function<Result<std::unique_ptr<image::ImageMount>>()> open_mount;
  std::function<Result<Imported>(const std::string& path)> import;
};

// With the real mount and the real importer.
LazyImagesOptions lazy_images_options(std::string folder, image::MountOptions mount, ImportOptions import = {});

// prepare() takes fl: sources only. Besides what image.h says:
//   Corrupt   the file holds another digest (the message has both), or is no image
//   Denied    a required signature is missing (the message has the digest and who has signed)
// find() attaches again what the lazy file system does not serve any more, so the root folder is always usable.
// remove() detaches; Conflict while files of the image are open.
Result<std::unique_ptr<image::Images>> open_lazy_images(const LazyImagesOptions& options);

}  // namespace mcloud::flist
