// A file that shows to others what happened on a ledger: events with the evidence for them, which need nobody's word and no
// network. What is in it happened, in that order. That nothing else happened it cannot show: for that there is
// `mcloud ledger verify` over all blocks. Format: docs/reference/audit-bundle.md.
#pragma once

#include "bot/audit.h"

namespace mcloud::bot {

inline constexpr size_t kBundleBytesMax = 256 << 20;

struct AuditBundle {
  Bytes file;
  std::vector<AuditEvent> events;  // what is in it
};
// Exhausted when it would be larger than kBundleBytesMax.
Result<AuditBundle> make_bundle(LedgerView& view, const AuditOptions& options);

struct VerifiedBundle {
  std::string chain_id;
  ledger::Head newest;  // what the exporter knew when it was made
  std::vector<AuditEvent> events;
  std::map<PublicKey, std::string> names;  // of people, and of nodes as FARM/NAME; proven
  std::vector<pb::Contract> contracts;     // as they were at the newest head; proven
};
// Invalid when it is no bundle, Denied when anything in it is not proven by these validators. Pure; any bytes may come in.
Result<VerifiedBundle> verify_bundle(const ledger::Trust& trust, BytesView file);

}  // namespace mcloud::bot
