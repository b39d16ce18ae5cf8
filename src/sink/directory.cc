#include "sink/directory.h"

#include "ledger/state/keys.h"
#include "wire/canonical.h"

namespace mcloud::sink {
namespace {

constexpr size_t kRecordBytesMax = 16 << 20;

}  // namespace

Result<LedgerDirectory::KnownNode> LedgerDirectory::ask(const NodeId& id) {
  std::vector<Bytes> keys = {ledger::keys::node(id), ledger::keys::assignment(id)};
  ledger::Snapshot snapshot = TRY(client_.with([&](auto& client) { return client->get(keys); }));
  if (snapshot.entries.size() != 2 || snapshot.entries[0].key != keys[0] || snapshot.entries[1].key != keys[1]) {
    return make_error(Code::Unavailable, "the ledger did not answer what was asked");
  }
  KnownNode known{.at_ms = clock_.monotonic_ms()};
  if (!snapshot.entries[0].value) return known;
  auto record = TRY(wire::decode<pb::Node>(*snapshot.entries[0].value, "node record", kRecordBytesMax));
  known.entry = NodeEntry{.name = record.name()};
  if (!snapshot.entries[1].value) return known;
  auto assignment = TRY(wire::decode<pb::Assignment>(*snapshot.entries[1].value, "assignment", kRecordBytesMax));
  for (const pb::AssignedContract& contract : assignment.contracts()) {
    known.entry->contracts.insert(TRY(ContractId::from_bytes(contract.contract())));
  }
  return known;
}

Result<Directory::NodeEntry> LedgerDirectory::node(const NodeId& id, bool is_newest) {
  uint64_t now = clock_.monotonic_ms();
  auto known = nodes_.with([&](auto& nodes) -> std::optional<KnownNode> {
    auto found = nodes.find(id);
    return found == nodes.end() ? std::nullopt : std::optional(found->second);
  });
  bool is_admitted = known && known->entry;
  bool is_old = !known || now - known->at_ms > (is_newest || !is_admitted ? kNewestMs : kKeepMs);
  bool is_silent = silent_until_ms_.with([&](uint64_t& until) { return now < until; });
  if (is_old && !(known && is_silent)) {
    Result<KnownNode> asked = ask(id);
    // While the ledger is silent, what was true before will do: a sink outage would lose more.
    if (!asked.has_value()) {
      silent_until_ms_.with([&](uint64_t& until) { until = clock_.monotonic_ms() + kSilentMs; });
      if (!known) return asked.error();
    } else {
      known = known ? with_gone(*known, std::move(*asked)) : *asked;
      nodes_.with([&](auto& nodes) {
        if (nodes.size() >= kEntriesMax) nodes.clear();
        nodes[id] = *known;
      });
    }
  }
  if (!known->entry) return make_error(Code::NotFound, "node " + id.short_hex() + " is not on the ledger");
  NodeEntry entry = *known->entry;
  for (const auto& [contract, until] : known->gone) {
    if (now < until) entry.contracts.insert(contract);
  }
  return entry;
}

LedgerDirectory::KnownNode LedgerDirectory::with_gone(const KnownNode& before, KnownNode now) {
  if (!before.entry || !now.entry) return now;
  for (const auto& [contract, until] : before.gone) {
    if (until > now.at_ms) now.gone.emplace(contract, until);
  }
  for (const ContractId& contract : before.entry->contracts) now.gone.emplace(contract, now.at_ms + kGoneMs);
  std::erase_if(now.gone, [&](const auto& entry) { return now.entry->contracts.contains(entry.first); });
  return now;
}

Result<PublicKey> LedgerDirectory::owner(const ContractId& contract) {
  auto known = owners_.with([&](auto& owners) -> std::optional<PublicKey> {
    auto found = owners.find(contract);
    return found == owners.end() ? std::nullopt : std::optional(found->second);
  });
  if (known) return *known;  // a contract never changes hands
  ledger::Snapshot snapshot =
      TRY(client_.with([&](auto& client) { return client->get({ledger::keys::contract(contract)}); }));
  if (snapshot.entries.size() != 1 || snapshot.entries[0].key != ledger::keys::contract(contract)) {
    return make_error(Code::Unavailable, "the ledger did not answer what was asked");
  }
  if (!snapshot.entries[0].value) return make_error(Code::NotFound, "there is no contract " + contract.hex());
  auto record = TRY(wire::decode<pb::Contract>(*snapshot.entries[0].value, "contract record", kRecordBytesMax));
  PublicKey owner = TRY(PublicKey::from_bytes(record.owner()));
  owners_.with([&](auto& owners) {
    if (owners.size() >= kEntriesMax) owners.clear();
    owners[contract] = owner;
  });
  return owner;
}

}  // namespace mcloud::sink
