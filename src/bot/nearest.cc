#include "bot/nearest.h"

#include <algorithm>

#include "contract/syntax.h"

namespace mcloud::bot {
namespace {

constexpr size_t kWordBytesMax = 64;

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > kWordBytesMax) return std::nullopt;
  std::vector<std::string> best, begun;
  size_t best_distance = std::max<size_t>(1, word.size() / 3);
  for (const std::string& candidate : known) {
    size_t distance = contract::spelling_distance(word, candidate);
    if (distance < best_distance) best.clear();
    if (distance <= best_distance && std::ranges::find(best, candidate) == best.end()) best.push_back(candidate);
    best_distance = std::min(distance, best_distance);
    bool begins = word.size() >= 3 && candidate.starts_with(word);
    if (begins && std::ranges::find(begun, candidate) == begun.end()) begun.push_back(candidate);
  }
  if (best.size() == 1) return best[0];
  if (best.empty() && begun.size() == 1) return begun[0];
  return std::nullopt;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  std::optional<std::string> found = nearest(word, known);
  return found ? "; did you mean \"" + *found + "\"?" : "";
}

std::string not_found(std::string_view what, std::string_view word, const std::vector<std::string>& known) {
  constexpr size_t kShownMax = 10;
  std::string text = "there is no " + std::string(what) + " \"" + std::string(word.substr(0, kWordBytesMax)) + "\"";
  if (std::string suggestion = did_you_mean(word, known); !suggestion.empty()) return text + suggestion;
  if (known.empty()) return text + "; there is none at all";
  std::vector<std::string> names = known;
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (size_t i = 0; i < names.size() && i < kShownMax; i++) text += (i == 0 ? "; there are: " : ", ") + names[i];
  return text + (names.size() > kShownMax ? ", ..." : "");
}

}  // namespace mcloud::bot
