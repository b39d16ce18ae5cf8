#include "testing/temporary_folder.h"

#include <cstdlib>

#include "base/check.h"
#include "base/log.h"
#include "io/file.h"

namespace mcloud::testing {

TemporaryFolder::TemporaryFolder() {
  const char* parent = std::getenv("TMPDIR");
  path_ = std::string(parent != nullptr && *parent != '\0' ? parent : "/tmp") + "/mcloud-test-XXXXXX";
  CHECK(mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  Status removed = io::remove_tree(path_);
  if (!removed.has_value()) log::error("testing", removed.error().message);
  CHECK(removed.has_value());
}

}  // namespace mcloud::testing
