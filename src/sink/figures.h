// Figures as their readers want them: the sink's /metrics, one value for each sample. Anybody may read them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mcloud::sink {

struct Figure {
  std::string name;
  std::map<std::string, std::string, std::less<>> labels;  // "node": who pushed it
  std::string value;                                       // as written
};

// Those whose names begin with `prefix`, in the order of the text. Invalid names the line; at most 200,000.
Result<std::vector<Figure>> parse_figures(std::string_view exposition, std::string_view prefix);

// What the sink has now: of nodes that pushed within a minute. One request, at most 5 s.
Result<std::vector<Figure>> read_figures(const std::string& endpoint, std::string_view prefix);

}  // namespace mcloud::sink
