// Inside this room: what a recipe changes in an image's config document. Pure.
#pragma once

#include "flist/build/recipe.h"

namespace mcloud::flist {

// `base` is the base's document, "" = none. Unchanged, byte by byte, when the recipe says nothing about it. Otherwise
// sorted JSON: the base's fields with the recipe's, no layers and no history. A new entrypoint without a command drops
// the base's command, as it was for the old one. Corrupt when the base's document is no JSON object.
Result<std::string> edit_config(const std::string& base, const Recipe& recipe);

}  // namespace mcloud::flist
