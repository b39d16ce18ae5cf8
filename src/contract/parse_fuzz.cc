// Any text: a contract or diagnostics, never both; what compiles is accepted by our own checks and
// compiles to the same bytes again.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "contract/header.h"
#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ParseOutcome outcome = parse_contract({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
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
