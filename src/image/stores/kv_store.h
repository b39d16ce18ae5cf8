// Blocks in a namespace of our kv or of any 0-db in user mode: the key is the id's 32 bytes.
#pragma once

#include <memory>

#include "image/stores/store.h"
#include "image/stores/store_url.h"

namespace mcloud::image {

// A password goes with SELECT when the URL names a namespace, else with AUTH.
Result<std::unique_ptr<BlockStore>> make_kv_store(const StoreUrl& url, const StoreOptions& options);

}  // namespace mcloud::image
