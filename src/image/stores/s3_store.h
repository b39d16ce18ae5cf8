// Blocks in a bucket of S3 or of a server that speaks it: path style, BUCKET/<hex>, signed when there is a key.
#pragma once

#include <memory>

#include "image/stores/store.h"
#include "image/stores/store_url.h"

namespace mcloud::image {

Result<std::unique_ptr<BlockStore>> make_s3_store(const StoreUrl& url, const StoreOptions& options);

}  // namespace mcloud::image
