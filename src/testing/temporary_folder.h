// A folder of its own for a test, gone with the test.
#pragma once

#include <string>

namespace mcloud::testing {

// Created under $TMPDIR or /tmp; removed as a whole at the end (and a failure to remove is a failed
// test: it ends the program).
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  // "PATH/name"
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace mcloud::testing
