// RESP requests: no input ends us, pieces and the whole give the same, and what we write we read.
#include <cstdint>
#include <cstdlib>

#include "wire/resp.h"
#include "wire/resp_glance.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

struct Seen {
  std::vector<std::vector<std::string>> requests;
  RespFault fault = RespFault::None;
  bool operator==(const Seen&) const = default;
};

Seen parse(std::string_view text, size_t step, const RespBounds& bounds) {
  Seen seen;
  RespRequestParser parser(bounds);
  size_t begin = 0;
  for (size_t end = 0; end < text.size() && seen.fault == RespFault::None;) {
    end = end + step < text.size() ? end + step : text.size();
    for (bool more = true; more;) {
      more = false;
      switch (parser.parse(text.substr(begin, end - begin))) {
        case RespRequestParser::Step::NeedMore:
          if (parser.missing() == 0) std::abort();
          break;
        case RespRequestParser::Step::Faulty: seen.fault = parser.fault(); break;
        case RespRequestParser::Step::Complete:
          if (parser.size() == 0 || parser.size() > end - begin) std::abort();
          if (parser.arguments().size() > bounds.arguments_max) std::abort();
          seen.requests.emplace_back(parser.arguments().begin(), parser.arguments().end());
          begin += parser.size();
          parser.reset();
          more = true;
      }
    }
  }
  return seen;
}

// What a glance sees is what the parser finds.
void check_glance(std::string_view text) {
  auto seen = resp_glance(text);
  if (!seen) return;
  RespRequestParser parser({1 << 20, 100'000'000, 1'000'000'000, false});
  if (parser.parse(text) != RespRequestParser::Step::Complete || parser.size() != seen->size) std::abort();
  if (parser.arguments()[1] != seen->second) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_glance(text);
  for (bool allows_inline : {false, true}) {
    RespBounds bounds{8, 300, 600, allows_inline};
    Seen whole = parse(text, text.size() + 1, bounds);
    if (whole != parse(text, 1, bounds) || whole != parse(text, 7, bounds)) std::abort();
    for (const auto& request : whole.requests) {
      std::vector<std::string_view> words(request.begin(), request.end());
      Seen again = parse(resp_request(words), 5, {8, 70'000, 700'000, false});
      if (again.requests.size() != 1 || again.requests[0] != request) std::abort();
    }
  }
  return 0;
}
