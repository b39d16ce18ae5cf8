// A stream of datagrams from a hostile peer: cut anywhere it gives the same ones, and no byte comes twice.
#include <cstdlib>
#include <vector>

#include "gateway/tunnel/datagrams.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud;
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  size_t total = 0;
  auto read = [&](size_t piece) {
    gateway::DatagramReader reader;
    std::vector<Bytes> got;
    for (BytesView rest = bytes; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
      reader.feed(rest.substr(0, piece), [&](BytesView datagram) { got.emplace_back(datagram); });
    }
    total = 0;
    for (const Bytes& datagram : got) total += 2 + datagram.size();
    return got;
  };
  std::vector<Bytes> whole = read(size + 1);
  if (total > size || whole != read(1) || whole != read(size == 0 ? 1 : 1 + data[0] % 16)) std::abort();
  return 0;
}
