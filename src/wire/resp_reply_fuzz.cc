// RESP replies: no input ends us, and a whole reply stays the same with more behind it.
#include <cstdint>
#include <cstdlib>

#include "wire/resp_reply.h"

using namespace mcloud;
using namespace mcloud::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  RespReplyBounds bounds{.bulk_bytes_max = 1000, .items_max = 100, .depth_max = 4};
  auto whole = resp_reply_size(text, bounds);
  if (!whole || !*whole) return 0;
  if (**whole == 0 || **whole > text.size()) std::abort();
  if (resp_reply_size(text + "x", bounds).value() != *whole) std::abort();
  RespReply reply = parse_resp_reply(std::string_view(text).substr(0, **whole));
  if (reply.items.size() > bounds.items_max || reply.text.size() > text.size()) std::abort();
  return 0;
}
