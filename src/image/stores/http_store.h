// Blocks on a web server that serves a folder of them: read only.
#pragma once

#include <memory>

#include "image/stores/store.h"
#include "image/stores/store_url.h"

namespace mcloud::image {

Result<std::unique_ptr<BlockStore>> make_http_store(const StoreUrl& url, const StoreOptions& options);

}  // namespace mcloud::image
