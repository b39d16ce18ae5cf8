#include <cstdint>
#include <cstdlib>

#include "io/file.h"
#include "sink/ring.h"

// A segment with any content opens, and takes a batch that is found again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud;
  static const std::string folder = [] {
    char name[] = "/tmp/ring-fuzz-XXXXXX";
    return std::string(mkdtemp(name));
  }();
  if (!io::remove_tree(folder).has_value() || !io::make_folders(folder).has_value()) abort();
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  if (!io::write_file(folder + "/0000000000000001.seg", bytes, io::Durability::None).has_value()) abort();
  auto ring = sink::Ring::open(folder, 1 << 20);
  if (!ring.has_value()) return 0;
  pb::StoredBatch batch;
  batch.set_received_ms(4711);
  auto number = ring->append(batch);
  if (!number.has_value()) abort();
  bool found = false;
  auto read = ring->each(*number - 1, [&](const pb::StoredBatch& stored) { return !(found = stored.number() == *number); });
  if (!read.has_value() || !found) abort();
  return 0;
}
