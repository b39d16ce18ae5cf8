// Any bytes as an index checkpoint: what is accepted lies inside its stretch. The checks are set right when the first
// byte says so, so that what stands behind them is reached.
#include <cstdlib>

#include "kv/index/checkpoint.h"
#include "kv/index/index.h"
#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"

using namespace mcloud;
using namespace mcloud::kv;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Bytes file(reinterpret_cast<const char*>(data + 1), size - 1);
  bool is_helped = (data[0] & 1) != 0 && file.size() >= kCheckpointHeadBytes;
  if (is_helped) {
    file.replace(0, 8, "MCKVIDX1");
    store<uint64_t>(file.data() + 8, 64);
    store(file.data() + 568, crc32c(BytesView(file).substr(0, 568), 1));
  }
  auto head = parse_checkpoint_head(file, 64, file.size(), 1);
  if (!head.has_value()) return 0;
  for (size_t shard = 0; shard < kShards; ++shard) {
    BytesView section = BytesView(file).substr(head->offset(shard), head->sections[shard].count * kChangeBytes);
    if (is_helped) head->sections[shard].check = crc32c(section);
    auto changes = parse_section(*head, shard, section);
    if (!changes.has_value()) continue;
    for (const Change& change : *changes) {
      if (change.position < head->begin || change.position >= head->end || shard_of(change.hash) != shard) std::abort();
    }
  }
  return 0;
}
