#include "runtime/probe_answer.h"

namespace mcloud::runtime {

Result<int> parse_http_status(BytesView answer) {
  bool is_http = answer.size() >= 12 && answer.starts_with("HTTP/1.") && answer[8] == ' ';
  int status = 0;
  for (size_t i = 9; is_http && i < 12; ++i) {
    if (answer[i] < '0' || answer[i] > '9') is_http = false;
    status = status * 10 + (answer[i] - '0');
  }
  if (!is_http || status < 100) return make_error(Code::Unavailable, "the answer is not HTTP");
  return status;
}

}  // namespace mcloud::runtime
