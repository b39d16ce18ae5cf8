// The little of DNS (RFC 1035) that proof of a domain needs: a question for TXT records and its answer. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace mcloud::gateway {

// Recursion desired; `name` is a host name whose labels may begin with '_'. Invalid when it is no name.
Result<Bytes> txt_question(uint16_t id, std::string_view name);

struct TxtAnswer {
  bool is_truncated = false;           // ask again over TCP
  std::vector<std::string> texts;      // strings of one record are joined; none = there is no such record
};
// The answer to that question: same id, same question; the records of its name or of what its CNAMEs lead to. Names that are not
// there are an answer without texts; Unavailable when the server failed, Corrupt when the bytes are no such answer.
Result<TxtAnswer> parse_txt_answer(BytesView bytes, uint16_t id, std::string_view name);

}  // namespace mcloud::gateway
