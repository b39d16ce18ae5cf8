// The ledger's parameters as people write and read them: NAME=VALUE with units.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::cli {

struct ParameterWord {
  std::string name;
  std::string value;
  std::string meaning;
};

using NameOfKey = std::function<std::string(const PublicKey&)>;
using KeyOfName = std::function<Result<PublicKey>(std::string_view)>;

// All that can be set, in order, and the logic that is in force.
std::vector<ParameterWord> words_of(const pb::Parameters& parameters, const NameOfKey& name_of);

// "fence_after=8s". Invalid names what is allowed and the nearest name; the ranges are the ledger's word.
Status set_parameter(pb::Parameters& parameters, std::string_view assignment, const KeyOfName& key_of);

}  // namespace mcloud::cli
