#include "node/trouble_book.h"

namespace mcloud::node {

TroubleNews TroubleBook::note(const std::string& subject, const Status& outcome) {
  if (outcome.has_value()) return troubles_.erase(subject) > 0 ? TroubleNews::Ends : TroubleNews::None;
  auto [trouble, is_new] = troubles_.try_emplace(subject, outcome.error().message);
  if (is_new) return TroubleNews::Begins;
  if (trouble->second == outcome.error().message) return TroubleNews::None;
  trouble->second = outcome.error().message;
  return TroubleNews::Changes;
}

void log_trouble(TroubleNews news, const TroubleWords& words, const Status& outcome, const log::Field& about) {
  if (news == TroubleNews::None) return;
  if (news == TroubleNews::Ends) {
    if (about.key.empty()) return log::info("node", words.over);
    return log::info("node", words.over, {about});
  }
  log::Field reason{"reason", outcome.has_value() ? "" : outcome.error().message};
  if (about.key.empty()) return log::warning("node", words.begun, {reason});
  log::warning("node", words.begun, {about, reason});
}

}  // namespace mcloud::node
