// Do the reads of one follower show prefixes of its master's history that never get shorter?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mcloud::testing {

// In the order of the master's log. All values of a key differ.
struct PrefixWrite {
  uint32_t key = 0;
  std::string value;
  uint64_t begin = 0;      // just before it was sent
  bool is_sure = true;    // false: never answered, so perhaps it is not in the log
  bool continues = false;  // the next one belongs to the same transaction: no prefix ends between them
};

// In the order in which they were answered, one after the other.
struct PrefixRead {
  uint32_t key = 0;
  std::optional<std::string> value;
  uint64_t end = 0;  // just after the answer was there
};

// "" or what is wrong. Every read must fit a prefix of the writes, not shorter than what the reads before it have shown,
// and nothing is read before it was written.
std::string judge_prefix(const std::vector<PrefixWrite>& writes, const std::vector<PrefixRead>& reads);

}  // namespace mcloud::testing
