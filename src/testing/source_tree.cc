#include "testing/source_tree.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace mcloud::testing {

std::string source_tree() {
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (; folder != folder.root_path(); folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / "CMakePresets.json")) return folder.string();
  }
  std::fprintf(stderr, "this test program must stay inside the checkout it was built in\n");
  std::abort();
}

}  // namespace mcloud::testing
