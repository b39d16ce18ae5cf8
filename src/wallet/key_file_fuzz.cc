#include <cstdint>
#include <cstdlib>

#include "wallet/carried.h"
#include "wallet/key_file.h"
#include "wallet/words.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mcloud;
  using namespace mcloud::wallet;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // What parses is written out to something that parses to the same.
  Result<KeyFile> file = KeyFile::parse(text);
  if (file.has_value()) {
    Result<KeyFile> again = KeyFile::parse(file->to_json());
    if (!again.has_value() || again->to_json() != file->to_json()) abort();
  }
  Result<CarriedDecision> carried = CarriedDecision::parse(text);
  if (carried.has_value()) {
    Result<CarriedDecision> again = CarriedDecision::parse(carried->to_json());
    if (!again.has_value() || again->to_json() != carried->to_json()) abort();
  }
  Result<Bytes> seed = seed_of_words(text);
  if (seed.has_value() && seed_of_words(words_of_seed(*seed)).value() != *seed) abort();
  return 0;
}
