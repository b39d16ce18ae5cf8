// docs/reference/kv-commands.md against the tables.
#include "kv/commands.h"

#include <doctest/doctest.h>

#include <sstream>

#include "io/file.h"
#include "testing/source_tree.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

std::string kind_of(const Command& command) {
  if ((command.flags & kAdmin) != 0) return "admin";
  if ((command.flags & kWrite) != 0) return "write";
  return (command.flags & kRead) != 0 ? "read" : "";
}

// "NAME kind" of each line of a section's table.
std::vector<std::string> described(const std::string& section) {
  std::string page = io::read_file(testing::source_tree() + "/docs/reference/kv-commands.md").value();
  std::istringstream lines(page.substr(page.find("\n## " + section + "\n") + 1));
  std::vector<std::string> found;
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line) && !line.starts_with("## ");) {
    if (!line.starts_with("| `")) continue;
    std::string name = line.substr(3, line.find_first_of(" `", 3) - 3);
    std::string rest = line.substr(line.find("` | ") + 4);
    found.push_back(name + " " + (rest.starts_with("|") ? "" : rest.substr(0, rest.find(' '))));
  }
  return found;
}

std::vector<std::string> table(std::span<const Command> commands) {
  std::vector<std::string> found;
  for (const Command& command : commands) found.push_back(std::string(command.name) + " " + kind_of(command));
  return found;
}

}  // namespace

TEST_CASE("the reference describes every command of both dialects, in the order of the tables, and no other") {
  CHECK_EQ(described("Redis dialect"), table(redis_commands()));
  CHECK_EQ(described("0-db dialect"), table(zdb_commands()));
}
