#include <cstdint>
#include <cstdlib>

#include "ledger/tree/proof.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud;
  using namespace mcloud::ledger::tree;
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  Result<Proof> proof = Proof::decode(bytes);
  if (proof.has_value() && proof->encode() != bytes) abort();
  // Nobody can find a proof for a hash that was fixed before.
  static const Hash hash = hash_of_key("a state");
  if (verify_proof(hash, "key", std::nullopt, bytes).has_value()) abort();
  if (verify_proof(hash, "key", "value", bytes).has_value()) abort();
  return 0;
}
