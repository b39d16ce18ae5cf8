// Inside this room only: which of the node's transit links are taken. Pure.
#pragma once

#include <cstdint>
#include <set>

#include "network/firewall.h"

namespace mcloud::network {

class TransitNumbers {
 public:
  bool is_taken(uint32_t number) const { return number < end_ && !gaps_.contains(number); }

  // False: it is taken, or none.
  bool take(uint32_t number) {
    if (number >= kTransitsMax || is_taken(number)) return false;
    while (end_ <= number) gaps_.insert(gaps_.end(), end_++);
    gaps_.erase(number);
    return true;
  }

  uint32_t take_lowest() {
    if (gaps_.empty()) return end_++;
    return gaps_.extract(gaps_.begin()).value();
  }

  void release(uint32_t number) { gaps_.insert(number); }

 private:
  std::set<uint32_t> gaps_;  // free ones below end_
  uint32_t end_ = 0;
};

}  // namespace mcloud::network
