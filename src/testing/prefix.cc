#include "testing/prefix.h"

#include <algorithm>
#include <map>

namespace mcloud::testing {
namespace {

struct Writes {
  std::map<std::pair<uint32_t, std::string>, size_t> places;  // of a key's value: its number, from 1 on
  std::map<uint32_t, std::vector<size_t>> sure;               // of a key, ascending
};

Writes sort_out(const std::vector<PrefixWrite>& writes) {
  Writes sorted;
  for (size_t i = 0; i < writes.size(); ++i) {
    sorted.places[{writes[i].key, writes[i].value}] = i + 1;
    if (writes[i].is_sure) sorted.sure[writes[i].key].push_back(i + 1);
  }
  return sorted;
}

}  // namespace

std::string judge_prefix(const std::vector<PrefixWrite>& writes, const std::vector<PrefixRead>& reads) {
  Writes sorted = sort_out(writes);
  size_t least = 0;  // writes that a read has shown
  for (size_t i = 0; i < reads.size(); ++i) {
    const PrefixRead& read = reads[i];
    std::string name = "read " + std::to_string(i) + " of key " + std::to_string(read.key) + ": " +
                       read.value.value_or("nothing");
    size_t place = 0, shown = 0;
    if (read.value) {
      auto found = sorted.places.find({read.key, *read.value});
      if (found == sorted.places.end()) return name + " was never written";
      place = found->second;
      if (writes[place - 1].begin > read.end) return name + " was read before it was written";
      for (shown = place; writes[shown - 1].continues;) ++shown;  // with it, its whole transaction
    }
    least = std::max(least, shown);
    // The next write of that key that is there for sure ends the prefixes that this read fits.
    const std::vector<size_t>& sure = sorted.sure[read.key];
    auto next = std::upper_bound(sure.begin(), sure.end(), place);
    if (next != sure.end() && *next <= least)
      return name + " is the past: write " + std::to_string(least) + " was seen, and write " + std::to_string(*next) +
             " of this key comes before it";
  }
  return "";
}

}  // namespace mcloud::testing
