// Where the sources are, for tests that read golden files and recipes.
#pragma once

#include <string>

namespace mcloud::testing {

// The absolute folder of this checkout: the nearest one above the running program that has CMakePresets.json
// (programs are built inside it). __FILE__ cannot say it: a compiler cache shared by checkouts makes it relative.
// Ends the program when there is none.
std::string source_tree();

}  // namespace mcloud::testing
