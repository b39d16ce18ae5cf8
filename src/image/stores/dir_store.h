// Blocks in a folder: FOLDER/<first 2 hex>/<hex>, or FOLDER/<hex> as older tools left them.
#pragma once

#include <memory>

#include "image/stores/store.h"
#include "image/stores/store_url.h"

namespace mcloud::image {

// The folder is made by the first put().
std::unique_ptr<BlockStore> make_dir_store(const StoreUrl& url);

}  // namespace mcloud::image
