#include "kv/lookahead.h"

#include "wire/resp_glance.h"

namespace mcloud::kv {

size_t Lookahead::look(const Space& space, BytesView bytes) {
  if (&space != space_) fetch();
  space_ = &space;
  if (count_ == kKeysMax) return 0;
  auto seen = wire::resp_glance(bytes);
  if (!seen) return 0;
  if (!seen->second.empty() && seen->second.size() <= kKeyBytesMax) keys_[count_++] = seen->second;
  return seen->size;
}

void Lookahead::fetch() {
  if (count_ > 1) space_->store->prefetch({keys_.data(), count_});
  count_ = 0;
}

}  // namespace mcloud::kv
