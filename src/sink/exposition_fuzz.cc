#include <cstdint>
#include <cstdlib>

#include "sink/exposition.h"
#include "sink/figures.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud::sink;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(parse_figures(text, ""));  // what a reader makes of any answer
  auto families = parse_exposition(text, {"node", "n1"});
  if (!families.has_value()) return 0;
  // What we print is the format again, under another label.
  auto again = parse_exposition(format_exposition(*families), {"site", "s1"}, {.bytes_max = 4 << 20, .samples_max = 10'000, .line_bytes_max = 8'192});
  if (!again.has_value()) abort();
  size_t samples = 0;
  for (const auto& [name, family] : *families) samples += family.samples.size();
  auto figures = parse_figures(format_exposition(*families), "");
  if (!figures.has_value() || figures->size() != samples) abort();
  return 0;
}
