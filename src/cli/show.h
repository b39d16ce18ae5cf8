// Contracts and nodes as JSON with stable keys, and as what people read.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bot/status.h"
#include "cli/desk.h"
#include "contract/diagnostic.h"

namespace mcloud::cli {

// Where a publication can be reached from here: on a local cluster http://127.0.0.1:PORT, else the nodes' addresses.
std::vector<std::string> urls_of(const ContractId& contract, const bot::PublishedPort& port, const Context& context);

// Where a name can be reached from here, each once: on a local cluster at the port of 127.0.0.1 that leads to gateways.
std::vector<std::string> urls_of(const bot::PublicName& name, const Context& context);

nlohmann::ordered_json json_of(const bot::ContractStatus& status, bot::LedgerView& view, const Context& context);
nlohmann::ordered_json json_of(const pb::Node& node);

// The status page of one contract: a line, the replicas, the publications, who must still sign.
void print_contract(Desk& desk, bot::LedgerView& view, const bot::ContractStatus& status, const Context& context);

Tone tone_of(bot::Condition condition);
Tone tone_of(pb::ReplicaState state);
// "3 of 4 (ida, bob); missing: lena"
std::string approvals_text(const contract::ApprovalTally& tally, bot::LedgerView& view);
std::string names_text(const std::vector<PublicKey>& keys, bot::LedgerView& view);

// All that is wrong with a file: lines on standard error, or a JSON document; then the error to return.
Error report(Desk& desk, const std::string& path, const std::vector<contract::Diagnostic>& diagnostics);

// An option's value like "90s"; Invalid names the option and what is allowed.
Result<uint64_t> parse_time(std::string_view option, std::string_view text);
// "2026-11-20 05:02:02" (UTC).
std::string format_time(uint64_t ms_since_1970);

}  // namespace mcloud::cli
