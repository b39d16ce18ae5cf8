// Inside this room: events of the ledger as commands show them.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bot/audit.h"

namespace mcloud::cli {

// What names events are shown with: the ledger's, or those a bundle proves.
using NameOf = std::function<std::string(const PublicKey&)>;
// Those of people, else of nodes, else the key's first digits. The view must outlive it.
NameOf ledger_names(bot::LedgerView& view);

// What it is about: a contract with its version, a node, a name.
std::string subject_of(const bot::AuditEvent& event, const NameOf& name_of);
nlohmann::ordered_json json_of(const bot::AuditEvent& event, const NameOf& name_of);

}  // namespace mcloud::cli
