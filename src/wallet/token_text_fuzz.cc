#include <cstdint>
#include <cstdlib>

#include "mcloud/ledger.pb.h"
#include "wallet/token_text.h"
#include "wire/canonical.h"

// What parses is written out to a text that parses to the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud;
  using namespace mcloud::wallet;
  Result<CarriedToken> carried = parse_token_text({reinterpret_cast<const char*>(data), size});
  if (!carried.has_value()) return 0;
  const Bytes secret = carried->mesh_secret.empty() ? Bytes(kMeshSecretSize, 's') : carried->mesh_secret;
  auto token = wire::decode<pb::SignedJoinToken>(carried->token, "token");
  if (!token.has_value()) abort();
  Result<CarriedToken> again = parse_token_text(token_text(*token, secret));
  if (!again.has_value() || again->token != carried->token || again->mesh_secret != secret) abort();
  return 0;
}
