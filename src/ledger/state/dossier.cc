#include "ledger/state/dossier.h"

#include <algorithm>

#include "base/check.h"
#include "contract/header.h"
#include "ledger/state/records.h"
#include "wire/canonical.h"

namespace mcloud::ledger {

std::optional<Dossier> Dossier::load(const StateReader& state, const ContractId& id) {
  Dossier dossier;
  dossier.id_ = id;
  auto read = [&](BytesView key, BytesView value) { dossier.read_.emplace(key, value); };
  Bytes key = keys::contract(id);
  std::optional<Bytes> value = state.get(key);
  if (!value) return std::nullopt;
  parse_record(dossier.contract_, *value, key);
  if (!dossier.contract_.has_current()) return std::nullopt;
  read(key, *value);
  dossier.header_ = parse_header(dossier.contract_.current().header());
  state.each(keys::workloads(id), [&](BytesView at, BytesView record) {
    pb::Workload workload;
    parse_record(workload, record, at);
    read(at, record);
    dossier.workloads_.emplace(workload.name(), std::move(workload));
    return true;
  });
  state.each(keys::headers(id), [&](BytesView at, BytesView header) {
    read(at, header);
    dossier.older_headers_.emplace(read_u64_be(at.substr(at.size() - 8)), parse_header(header));
    return true;
  });
  return dossier;
}

const pb::Facets* Dossier::facets(const std::string& workload) const {
  const pb::Facets* found = contract::find_facets(header_, workload);
  return found == nullptr || found->replicas() == 0 ? nullptr : found;
}

const pb::Facets& Dossier::facets_of(const std::string& workload, const pb::Replica& replica) const {
  const pb::ContractHeader* header = &header_;
  if (replica.version() != header_.version()) {
    auto older = older_headers_.find(replica.version());
    CHECK(older != older_headers_.end());
    header = &older->second;
  }
  const pb::Facets* found = contract::find_facets(*header, workload);
  CHECK(found != nullptr);
  return *found;
}

std::set<Bytes> Dossier::nodes() const {
  std::set<Bytes> nodes;
  for (const auto& [name, workload] : workloads_) {
    for (const pb::Replica& replica : workload.replicas()) {
      if (!replica.node().empty()) nodes.insert(replica.node());
    }
  }
  return nodes;
}

void Dossier::store(StateWriter& state) const {
  std::map<Bytes, Bytes> now;
  now.emplace(keys::contract(id_), wire::encode(contract_));
  std::set<uint64_t> versions;
  for (const auto& [name, workload] : workloads_) {
    now.emplace(keys::workload(id_, name), wire::encode(workload));
    for (const pb::Replica& replica : workload.replicas()) {
      if (!replica.node().empty()) versions.insert(replica.version());
    }
  }
  for (const auto& [version, header] : older_headers_) {
    Bytes key = keys::header(id_, version);
    if (versions.contains(version)) now.emplace(key, read_.at(key));
  }
  for (const auto& [key, value] : read_) {
    if (!now.contains(key)) state.erase(key);
  }
  for (auto& [key, value] : now) {
    auto before = read_.find(key);
    if (before == read_.end() || before->second != value) state.put(key, value);
  }
}

bool is_ready(const pb::Replica& replica, const pb::Facets& facets) {
  if (replica.node().empty()) return false;
  return replica.state() == pb::REPLICA_HEALTHY || replica.state() == pb::REPLICA_COMPLETED ||
         (replica.state() == pb::REPLICA_RUNNING && !facets.has_health());
}

bool serves(pb::ReplicaState state, const pb::Facets& facets) {
  return state == pb::REPLICA_HEALTHY || (state == pb::REPLICA_RUNNING && !facets.has_health());
}

bool is_follower(const pb::ContractHeader& header, const std::string& workload) {
  return std::any_of(header.workloads().begin(), header.workloads().end(), [&](const pb::Facets& leader) {
    return std::find(leader.with().begin(), leader.with().end(), workload) != leader.with().end();
  });
}

Status check_all_ready(const StateReader& state, const Dossier& dossier) {
  for (const pb::Facets& facets : dossier.header().workloads()) {
    if (facets.replicas() == 0 || is_follower(dossier.header(), facets.name())) continue;
    auto workload = dossier.workloads().find(facets.name());
    for (uint32_t index = 0; index < facets.replicas(); ++index) {
      bool ready = false;
      if (workload != dossier.workloads().end() && static_cast<int>(index) < workload->second.replicas_size()) {
        const pb::Replica& replica = workload->second.replicas(static_cast<int>(index));
        std::optional<pb::Node> node = load_node(state, replica.node());
        ready = replica.version() == dossier.version() && is_ready(replica, facets) && node &&
                node->state() == pb::NODE_ONLINE;
      }
      if (!ready) {
        return make_error(Code::Conflict, "replica " + facets.name() + "/" + std::to_string(index) +
                                              " is not ready: acceptance follows success");
      }
    }
  }
  return {};
}

}  // namespace mcloud::ledger
