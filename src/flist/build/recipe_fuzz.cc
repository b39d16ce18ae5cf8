// Any text as a recipe: parsed or refused with one line.
#include <cstdint>
#include <cstdlib>

#include "flist/build/config_edit.h"

using namespace mcloud;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Result<flist::Recipe> recipe = flist::parse_recipe({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
  if (!recipe.has_value()) {
    if (recipe.error().code != Code::Invalid || !recipe.error().message.starts_with("fuzz.yaml:")) abort();
    return 0;
  }
  if (!flist::edit_config("", *recipe).has_value()) abort();
  return 0;
}
