#include "ledger/state/governance.h"

#include <algorithm>

#include "ledger/state/call.h"
#include "ledger/state/machine.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"

namespace mcloud::ledger {

void switch_logic(StateWriter& state, uint64_t height) {
  pb::Parameters parameters = load_parameters(state);
  if (parameters.next_logic_version() == 0 || height < parameters.next_logic_height()) return;
  parameters.set_logic_version(parameters.next_logic_version());
  parameters.clear_next_logic_version();
  parameters.clear_next_logic_height();
  store(state, keys::parameters(), parameters);
}

Status set_parameters(const Call& call, const pb::SetParameters& action, StateWriter& state) {
  pb::Parameters now = load_parameters(state);
  const auto& governors = now.governors();
  if (std::find(governors.begin(), governors.end(), call.sender.view()) == governors.end()) {
    return make_error(Code::Denied, "parameters: only governors of the ledger set them");
  }
  const pb::Parameters& wanted = action.parameters();
  TRY(check_parameters(wanted));
  if (wanted.logic_version() != now.logic_version()) {
    return make_error(Code::Invalid, "logic_version is in force and is " + std::to_string(now.logic_version()) +
                                         "; it changes by next_logic_version and next_logic_height");
  }
  if (wanted.next_logic_version() != 0 && wanted.next_logic_height() <= call.height) {
    return make_error(Code::Invalid, "next_logic_height is " + std::to_string(wanted.next_logic_height()) +
                                         ", allowed: above " + std::to_string(call.height));
  }
  for (const std::string& governor : wanted.governors()) {
    if (exists(state, keys::identity(key_of(governor)))) continue;
    return make_error(Code::NotFound, "governors: " + to_hex(BytesView(governor).substr(0, 4)) +
                                          " is no registered identity");
  }
  if (wanted.governors().empty()) {
    return make_error(Code::Invalid, "governors: at least one, or nobody could ever change a parameter");
  }
  store(state, keys::parameters(), wanted);
  return {};
}

}  // namespace mcloud::ledger
