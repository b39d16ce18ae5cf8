#include "cli/audit_events.h"

#include <nlohmann/json.hpp>

namespace mcloud::cli {

NameOf ledger_names(bot::LedgerView& view) {
  return [&view](const PublicKey& key) {
    std::string name = view.name_of(key);
    return name == key.short_hex() ? view.node_name(key.view()) : name;
  };
}

std::string subject_of(const bot::AuditEvent& event, const NameOf& name_of) {
  if (event.contract.is_none() && event.subject.size() == 2 * Hash::kSize) {
    Result<NodeId> node = NodeId::from_hex(event.subject);
    return node ? name_of(*node) : event.subject;
  }
  std::string text = event.subject.empty() && !event.contract.is_none() ? event.contract.short_hex() : event.subject;
  return text + (event.version == 0 ? "" : " v" + std::to_string(event.version));
}

nlohmann::ordered_json json_of(const bot::AuditEvent& event, const NameOf& name_of) {
  return {{"height", event.height},
          {"time_ms", event.time_ms},
          {"who", name_of(event.who)},
          {"key", event.who.hex()},
          {"what", event.what},
          {"contract", event.contract.is_none() ? "" : event.contract.hex()},
          {"version", event.version},
          {"subject", subject_of(event, name_of)},
          {"detail", event.detail},
          {"refused", event.refused},
          {"refusal", event.refusal},
          {"transaction", event.transaction.hex()}};
}

}  // namespace mcloud::cli
