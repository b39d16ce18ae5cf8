// What is wrong with a contract file, said so that it can be put right without asking anybody.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wire/yaml.h"

namespace mcloud::contract {

using Place = wire::YamlPlace;

struct Diagnostic {
  std::string file;
  Place place;
  std::string field;       // "workloads.web.replicas"; "" when the file as a whole is meant
  std::string message;     // what is wrong
  std::string allowed;     // what is allowed; may be empty
  std::string suggestion;  // the nearest correct spelling; may be empty
};

// "contract.yaml:7:5: workloads.web.replica: unknown key; allowed: ...; did you mean \"replicas\"?"
std::string format_diagnostic(const Diagnostic& diagnostic);
// One per line.
std::string format_diagnostics(const std::vector<Diagnostic>& diagnostics);

// Collects what is wrong with one file. Not thread-safe.
class Report {
 public:
  static constexpr size_t kDiagnosticsMax = 100;

  explicit Report(std::string_view file_name) : files_{std::string(file_name)} {}

  struct Hint {
    std::string allowed;
    std::string suggestion;
  };
  // Cuts what is too long for one line of output.
  void add(Place place, std::string_view field, std::string_view message, const Hint& hint = {});
  // Places of this number are in that file; what was passed to the constructor is number 0.
  int add_file(std::string_view file_name);
  // All that were added.
  std::vector<std::string> added_files() const { return {files_.begin() + 1, files_.end()}; }
  // "common.yaml:3:5".
  std::string where(Place place) const;
  bool empty() const { return diagnostics_.empty(); }
  bool is_full() const { return diagnostics_.size() > kDiagnosticsMax; }
  // In the order of the file, at most kDiagnosticsMax; the last one then says how many more there are.
  std::vector<Diagnostic> take();

 private:
  std::vector<std::string> files_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace mcloud::contract
