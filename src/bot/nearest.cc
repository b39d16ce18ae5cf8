#include "bot/nearest.h"

#include <algorithm>

namespace mcloud::bot {
namespace {

constexpr size_t kWordBytesMax = 64;

// Optimal string alignment distance: insert, delete, replace, swap neighbours.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); i++) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); j++) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); i++) {
    for (size_t j = 1; j <= b.size(); j++) {
      size_t replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({replaced, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > kWordBytesMax) return std::nullopt;
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  const std::string* begun = nullptr;
  size_t begun_count = 0;
  for (const std::string& candidate : known) {
    if (candidate.size() > kWordBytesMax) continue;
    size_t found = distance(word, candidate);
    if (found < best_distance) best_distance = found, best = &candidate;
    if (word.size() >= 3 && candidate.starts_with(word)) begun = &candidate, begun_count++;
  }
  if (best != nullptr) return *best;
  if (begun_count == 1) return *begun;
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
