// What is tried again and again and fails each time is worth a line when it begins, when it is another failure, and when
// it is well again.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"

namespace mcloud::node {

enum class TroubleNews { None, Begins, Changes, Ends };

// Pure. Holds one entry for each subject whose last outcome was a failure. One thread.
class TroubleBook {
 public:
  TroubleNews note(const std::string& subject, const Status& outcome);

 private:
  std::map<std::string, std::string> troubles_;  // subject -> message
};

// `begun` is a warning with the reason, `over` is no more than a word. `about`: one field more.
struct TroubleWords {
  std::string_view begun, over;
};
void log_trouble(TroubleNews news, const TroubleWords& words, const Status& outcome, const log::Field& about = {});

}  // namespace mcloud::node
