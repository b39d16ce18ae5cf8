// Inside this room: what a recipe changes in a tree.
#pragma once

#include "flist/build/recipe.h"
#include "flist/convert/assembly.h"

namespace mcloud::flist {

// Removals, folders, files, links, in the recipe's order. `folder` is the recipe's own, from which sources are seen.
// Invalid "NAME:LINE: ..." when something is not there or in the way.
Status edit_tree(const Recipe& recipe, const std::string& name, const std::string& folder, Assembly& assembly);

}  // namespace mcloud::flist
