// Any bytes as header and body: u16 length of header (big-endian) | header | body. What is valid is stable
// through encoding, and can be counted, compared and printed.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "contract/approval.h"
#include "contract/diff.h"
#include "contract/disclosure.h"
#include "contract/header.h"
#include "contract/secrets.h"
#include "contract/test_fixture.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::contract;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Compiled kBase = fixture::compiled(fixture::kEverything);
  if (size < 2) return 0;
  BytesView all(reinterpret_cast<const char*>(data), size);
  size_t length = static_cast<size_t>(data[0]) << 8 | data[1];
  BytesView header_bytes = all.substr(2, length);
  BytesView body_bytes = all.size() > 2 + length ? all.substr(2 + length) : BytesView();
  // Lenient: canonical form is tried by decode_header(), the rules behind it are what is fuzzed here.
  pb::ContractHeader header;
  if (!header.ParseFromArray(header_bytes.data(), static_cast<int>(header_bytes.size()))) return 0;
  header.DiscardUnknownFields();
  (void)decode_keyring(header_bytes).has_value();
  if (!validate_header(header)) return 0;
  CHECK(decode_header(wire::encode(header)).has_value());
  CHECK(!tally_approval(header, {}).reached);
  pb::ContractBody body;
  if (!body.ParseFromArray(body_bytes.data(), static_cast<int>(body_bytes.size()))) return 0;
  body.DiscardUnknownFields();
  body.set_nonce(header.nonce());
  if (!validate_body(header, body)) return 0;
  CHECK(diff({header, body}, {header, body}).empty());
  for (const Disclosure& one : disclosures({header, body})) CHECK(!one.who.empty());
  (void)format_diff(diff({kBase.header, kBase.body}, {header, body}));
  (void)format_diff(diff_from_nothing({header, body}));
  return 0;
}
