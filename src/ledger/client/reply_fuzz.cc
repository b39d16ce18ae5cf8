#include <cstdint>
#include <cstdlib>

#include "crypto/sign.h"
#include "ledger/client/reply.h"

// The first byte chooses the kind of answer. No input can hold a validator's signature, so whatever claims something
// verified beyond "nothing" or "refused" is a defect.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud;
  using namespace mcloud::ledger;
  if (size == 0) return 0;
  static const Trust trust = [] {
    pb::Validator validator;
    validator.set_key(crypto::SigningKey::generate().public_key().bytes());
    validator.set_power(1);
    return Trust{"fuzz", {validator}};
  }();
  std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      if (verify_state_reply(trust, {"key"}, body).has_value()) abort();
      break;
    case 1:
      if (verify_list_reply(trust, "key", "", body).has_value()) abort();
      break;
    case 2: {
      auto head = verify_head_reply(trust, body);
      if (head.has_value() && head->has_value()) abort();
      break;
    }
    case 3: {
      auto outcomes = verify_submit_reply(trust, {"transaction"}, body);
      if (outcomes.has_value() && outcomes->outcomes[0].height != 0) abort();
      break;
    }
    case 4:
      if (verify_head(trust, body).has_value()) abort();
      break;
  }
  return 0;
}
