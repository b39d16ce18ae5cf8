// One field of the language in words, found by its path, and the tree of all of them. Pure; borrows from the table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/fields/table.h"

namespace mcloud::contract {

struct Explained {
  std::string path;   // "container.health.interval"
  std::string says;
  std::string is;     // what may stand there: "a duration, 100ms to 1h"; of a kind ""
  std::vector<std::string> types;  // "duration"; several when there are several forms
  std::string fallback;  // the default as it is written, or in words; "" = none
  bool fallback_is_words = false;
  bool required = false;
  std::string min, max;  // as written; "" where nothing is bounded
  std::vector<std::string> words;
  std::vector<Explained> below;  // fields of a map, of a list's or a free map's values; they have no `below`
};

// "container", "container.health.interval", "approvals.signers.weight". Lists and free keys have no part in the path; a
// leading "workloads." may stand there. NotFound names the nearest, or what there is.
Result<Explained> explain(std::string_view path);

// Every path, in the order of the table, parents first.
std::vector<Explained> explain_all();

}  // namespace mcloud::contract
