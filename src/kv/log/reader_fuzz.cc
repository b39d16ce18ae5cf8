// Any bytes as a segment: the reader ends, stays inside, and what it calls a record is one.
#include <cstdlib>

#include "kv/index/hash.h"
#include "kv/log/scan.h"

using namespace mcloud;
using namespace mcloud::kv;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes log(reinterpret_cast<const char*>(data), size);
  // The first byte chooses places whose checks are set right, so that sound records are met too.
  for (size_t at = 0; size > 0 && at + kHeaderBytes <= log.size(); at += 8) {
    if ((data[0] >> (at / 8 % 7) & 1) == 0) continue;
    auto header = parse_header(BytesView(log).substr(at), at);
    if (header && header->end() <= log.size()) finish_record(log.data() + at, 0, header->continues, 1);
  }
  auto source = [&](uint64_t offset, char* to, size_t count) -> Result<size_t> {
    return offset >= log.size() ? 0 : log.copy(to, count, offset);
  };
  RecordReader reader(source, 0, log.size(), 1, 0);
  uint64_t at = 0;
  while (true) {
    auto item = reader.next();
    if (!item.has_value() || item->begin != at || item->end < item->begin || item->end > log.size()) std::abort();
    if (item->kind == RecordReader::Item::Kind::End) break;
    if (item->end == item->begin) std::abort();
    if (item->kind == RecordReader::Item::Kind::Record && !value_is_sound(*item->header, item->value)) std::abort();
    at = item->end;
  }
  RecordReader again(source, 0, log.size(), 1, 0);
  if (!scan_segment(again, {1, 2}, KeyMode::Sequence).has_value()) std::abort();
  return 0;
}
