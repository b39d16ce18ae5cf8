// Any bytes as an answer of a name server: refused or read, never more than is in them; and questions answer themselves.
#include <cstdlib>

#include "gateway/dns_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud::gateway;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size < 2) return 0;
  auto id = static_cast<uint16_t>(data[0] << 8 | data[1]);
  mcloud::Result<TxtAnswer> answer = parse_txt_answer(bytes, id, "_mcloud.example.org");
  if (!answer.has_value()) return 0;
  size_t total = 0;
  for (const std::string& text : answer->texts) total += text.size();
  if (total > size) std::abort();
  return 0;
}
