// Any bytes as what an importer says that was taken over.
#include <cstdlib>

#include "flist/import_message.h"

using namespace mcloud;
using namespace mcloud::flist;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Result<ImportMessage> message = parse_message({reinterpret_cast<const char*>(data), size});
  if (!message.has_value()) return 0;
  Result<ImportMessage> again = parse_message(format_message(message));
  if (!again.has_value() || again->index != message->index || !(again->beside == message->beside)) std::abort();
  return 0;
}
