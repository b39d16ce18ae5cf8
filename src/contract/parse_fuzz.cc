// Any text: a contract or diagnostics, never both; what compiles is accepted by our own checks and compiles to the same
// bytes again. Behind a line "%%%" stand the fragment f.yaml and then, behind another, a file of values.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "contract/header.h"
#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;

namespace {

// Up to a line "%%%", cut off with it.
std::string_view take(std::string_view& rest) {
  constexpr std::string_view kMark = "\n%%%\n";
  const size_t end = std::min(rest.find(kMark), rest.size());
  std::string_view out = rest.substr(0, end);
  rest.remove_prefix(std::min(end + kMark.size(), rest.size()));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view yaml = take(rest), fragment = take(rest);
  Surroundings around;
  if (yaml.find("parameters") != std::string_view::npos) {
    around.values = {{"size", {"1GiB", "--set"}}, {"n", {"3", "--set"}}, {"t", {"x}, y: {", "--set"}}};
    static_cast<void>(add_values_file(around.values, rest, "values.yaml").has_value());
  }
  around.read_fragment = [&](const std::string& path) -> Result<std::string> {
    if (path != "f.yaml") return make_error(Code::NotFound, "no such file");
    return std::string(fragment);
  };
  ParseOutcome outcome = parse_contract(yaml, "fuzz.yaml", around);
  CHECK(outcome.contract.has_value() == outcome.diagnostics.empty());
  for (const Diagnostic& diagnostic : outcome.diagnostics) {
    CHECK(diagnostic.place.line >= 1 && diagnostic.place.column >= 1 && !diagnostic.message.empty());
  }
  if (!outcome.contract) return 0;
  fixture::KnowsAll resolver;
  CompileContext context = fixture::context();
  context.secret_key = Bytes(32, 'k');
  CompileOutcome first = compile(*outcome.contract, context, resolver);
  CHECK(first.compiled.has_value() == first.diagnostics.empty());
  if (!first.compiled) return 0;
  CHECK(decode_header(first.compiled->header_bytes).has_value());
  CHECK(decode_body(first.compiled->header, first.compiled->body_bytes).has_value());
  context.previous_body = &first.compiled->body;
  CompileOutcome second = compile(*outcome.contract, context, resolver);
  CHECK(second.compiled && second.compiled->header_bytes == first.compiled->header_bytes);
  return 0;
}
