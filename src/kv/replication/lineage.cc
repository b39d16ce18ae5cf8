#include "kv/replication/lineage.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "kv/log/record.h"
#include "kv/planted.h"

namespace mcloud::kv {
namespace {

Error corrupt(std::string_view why) { return make_error(Code::Corrupt, "lineage: " + std::string(why)); }

auto order_of(const Generation& generation) { return std::tuple(generation.term, generation.number); }

// Takes a number and `behind` off the front of the text.
template <typename Number>
bool take_number(BytesView& text, char behind, Number& number) {
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (behind == '\0') return true;
  if (text.empty() || text[0] != behind) return false;
  text.remove_prefix(1);
  return true;
}

uint64_t end_of(const Lineage& lineage, size_t entry, uint64_t end) {
  return entry + 1 < lineage.size() ? std::min(lineage[entry + 1].from, end) : end;
}

}  // namespace

Rank rank_of(const Lineage& lineage, uint64_t durable) {
  if (lineage.empty()) return {0, 0, durable};
  return {lineage.back().term, lineage.back().number, durable};
}

uint64_t common_end(const Lineage& one, uint64_t end_of_one, const Lineage& other, uint64_t end_of_other) {
  if (planted::kMergesTails) return std::min(end_of_one, end_of_other);
  for (size_t i = one.size(); i-- > 0;) {
    auto same = std::ranges::find(other, one[i]);
    if (same == other.end()) continue;
    auto j = static_cast<size_t>(same - other.begin());
    return std::min(end_of(one, i, end_of_one), end_of(other, j, end_of_other));
  }
  return 0;
}

Lineage trimmed(Lineage lineage, uint64_t end) {
  while (!lineage.empty() && lineage.back().from > end) lineage.pop_back();
  return lineage;
}

Lineage extended(Lineage lineage, const Generation& next) {
  while (!lineage.empty() && lineage.back().from >= next.from) lineage.pop_back();
  lineage.push_back(next);
  if (lineage.size() > kGenerationsMax) lineage.erase(lineage.begin());
  return lineage;
}

Result<Generation> next_generation(const Lineage& lineage, uint64_t term, uint64_t position, uint32_t mark) {
  uint64_t last = lineage.empty() ? 0 : lineage.back().term;
  if (term < last)
    return make_error(Code::Denied, "term " + std::to_string(term) + " is over: the log was written under term " +
                                        std::to_string(last));
  uint64_t number = !lineage.empty() && term == last ? lineage.back().number + 1 : 1;
  return Generation{term, number, mark, position};
}

std::string text_of(const Lineage& lineage) {
  std::string text;
  for (const Generation& entry : lineage) {
    if (!text.empty()) text += ' ';
    text += std::to_string(entry.term) + "." + std::to_string(entry.number) + "." + std::to_string(entry.mark) + "." +
            std::to_string(entry.from);
  }
  return text;
}

Result<Lineage> parse_lineage(BytesView text) {
  Lineage lineage;
  const BytesView whole = text;
  while (!text.empty()) {
    Generation entry;
    bool is_whole = take_number(text, '.', entry.term) && take_number(text, '.', entry.number) &&
                    take_number(text, '.', entry.mark) && take_number(text, '\0', entry.from);
    if (!is_whole) return corrupt("an entry is not four numbers");
    if (!text.empty()) text.remove_prefix(1);
    if (entry.from % 8 != 0 || entry.from >= kPositionEnd) return corrupt("an entry is out of bounds");
    bool rises = lineage.empty() ||
                 (order_of(lineage.back()) < order_of(entry) && lineage.back().from < entry.from);
    if (!rises) return corrupt("its entries are not in order");
    lineage.push_back(entry);
    if (lineage.size() > kGenerationsMax) return corrupt("it has too many entries");
  }
  if (text_of(lineage) != whole) return corrupt("it is not as it is written");
  return lineage;
}

}  // namespace mcloud::kv
