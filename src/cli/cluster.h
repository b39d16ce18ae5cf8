// What `cluster up` and `cluster add-node` need from above: somebody who knows every process of a cluster. apps/ brings
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/units.h"
#include "lab/options.h"

namespace mcloud::cli {

struct FarmSpec {
  std::string name;
  std::string country;  // two letters
  // "barn:CH,shed:BE", "barn" (country CH), or a number: so many. Invalid says what is allowed.
  static Result<std::vector<FarmSpec>> parse_list(std::string_view text);
};

struct ClusterSpec {
  static constexpr uint64_t kAsBefore = UINT64_MAX;
  std::string folder;             // absolute
  uint64_t nodes = 0;             // 0 = as many as it had before, or 5
  uint64_t gateways = kAsBefore;  // the first nodes; a new cluster has 2
  uint64_t hidden = kAsBefore;    // the last nodes; a new cluster has none
  std::vector<FarmSpec> farms;
  uint64_t fence_after_ms = 5'000;
};

struct ClusterMaker {
  // Makes keys, ledger and farms when they are not there yet. What room lab needs to start it all; `progress` tells
  // each step.
  std::function<Result<lab::Options>(const ClusterSpec&, const std::function<void(const std::string&)>& progress)>
      prepare;
  // A node to be added, with a join token of a farm ("" = the first).
  std::function<Result<lab::NodeSpec>(const std::string& folder, const std::string& name, const std::string& farm)>
      make_node;
};

}  // namespace mcloud::cli
