#include "contract/diagnostic.h"

#include <algorithm>
#include <tuple>

#include "contract/syntax.h"

namespace mcloud::contract {

std::string format_diagnostic(const Diagnostic& diagnostic) {
  std::string out = diagnostic.file + ":" + std::to_string(diagnostic.place.line) + ":" +
                    std::to_string(diagnostic.place.column) + ": ";
  if (!diagnostic.field.empty()) out += diagnostic.field + ": ";
  out += diagnostic.message;
  if (!diagnostic.allowed.empty()) out += "; allowed: " + diagnostic.allowed;
  if (!diagnostic.suggestion.empty()) out += "; did you mean \"" + diagnostic.suggestion + "\"?";
  return out;
}

std::string format_diagnostics(const std::vector<Diagnostic>& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) out += format_diagnostic(diagnostic) + "\n";
  return out;
}

void Report::add(Place place, std::string_view field, std::string_view message, const Hint& hint) {
  // Parts of the file may stand in any of them.
  diagnostics_.push_back({files_[static_cast<size_t>(place.file)], place, shortened(field, 200), shortened(message, 400), shortened(hint.allowed, 800),
                          shortened(hint.suggestion, 200)});
}

int Report::add_file(std::string_view file_name) {
  files_.emplace_back(file_name);
  return static_cast<int>(files_.size()) - 1;
}

std::string Report::where(Place place) const {
  return files_[static_cast<size_t>(place.file)] + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

std::vector<Diagnostic> Report::take() {
  std::sort(diagnostics_.begin(), diagnostics_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.place.file, a.place.line, a.place.column, a.field, a.message) <
           std::tie(b.place.file, b.place.line, b.place.column, b.field, b.message);
  });
  auto is_same = [](const Diagnostic& a, const Diagnostic& b) {
    return a.place.file == b.place.file && a.place.line == b.place.line && a.place.column == b.place.column && a.field == b.field &&
           a.message == b.message;
  };
  diagnostics_.erase(std::unique(diagnostics_.begin(), diagnostics_.end(), is_same), diagnostics_.end());
  size_t total = diagnostics_.size();
  if (total > kDiagnosticsMax) {
    diagnostics_.resize(kDiagnosticsMax);
    Place last = diagnostics_.back().place;
    diagnostics_.push_back({diagnostics_.back().file, last, "", std::to_string(total - kDiagnosticsMax) + " more errors follow", "", ""});
  }
  return std::move(diagnostics_);
}

}  // namespace mcloud::contract
