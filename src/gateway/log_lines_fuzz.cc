// Lines of HAProxy's log: any bytes, cut anywhere, give the same lines; none is larger than the bound, and each is one line for the owner.
#include <algorithm>
#include <cstdlib>

#include "gateway/log_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mcloud::gateway::LogLines;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  LogLines once, twice;
  std::vector<std::string_view> whole, found;
  once.feed(bytes, whole);
  size_t cut = size == 0 ? 0 : data[0] % size;
  twice.feed(bytes.substr(0, cut), found);
  std::vector<std::string> pieces(found.begin(), found.end());
  found.clear();
  twice.feed(bytes.substr(cut), found);
  pieces.insert(pieces.end(), found.begin(), found.end());
  if (!std::equal(whole.begin(), whole.end(), pieces.begin(), pieces.end())) std::abort();
  for (std::string_view message : whole) {
    if (message.size() > LogLines::kLineBytesMax) std::abort();
    std::string line;
    mcloud::gateway::append_line(line, mcloud::gateway::log_head(1), mcloud::gateway::cut_message(message).text);
    if (line.find('\n') != line.size() - 1) std::abort();
  }
  return 0;
}
