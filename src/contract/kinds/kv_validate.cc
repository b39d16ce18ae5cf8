#include <algorithm>

#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/container.h"
#include "contract/kinds/kv.h"
#include "contract/kinds/publish.h"
#include "contract/secret_field.h"

namespace mcloud::contract {
namespace {

namespace bounds = kv_bounds;

Status check_history(const pb::KvHistory& history) {
  switch (history.keep()) {
    case pb::KV_KEEP_FOREVER: return require(history.amount() == 0, "history", "keeps everything, and an amount");
    case pb::KV_KEEP_LAST: return require_bounds(bounds::kKeepLast, history.amount(), "history.last");
    case pb::KV_KEEP_NEWER: return require_bounds(bounds::kKeepNewerMs, history.amount(), "history.newer");
    default: return refused("history", "is not set");
  }
}

Status check_body(const pb::KvBody& body) {
  TRY(require_bounds(bounds::kSizeBytes, body.size_bytes(), "size_bytes"));
  TRY(require_bounds({body.size_bytes(), bounds::kDiskBytes.max}, body.disk_bytes(), "disk_bytes"));
  TRY(require(body.mode() == pb::KV_MODE_USER || body.mode() == pb::KV_MODE_SEQUENCE, "mode", "is not set"));
  TRY(require(body.durability() >= pb::KV_DURABILITY_ALWAYS && body.durability() <= pb::KV_DURABILITY_NONE,
              "durability", "is not set"));
  if (body.durability() == pb::KV_DURABILITY_INTERVAL) {
    TRY(require_bounds(bounds::kIntervalMs, body.interval_ms(), "interval_ms"));
  } else {
    TRY(require(body.interval_ms() == 0, "interval_ms", "is set without durability: interval"));
  }
  TRY(check_history(body.history()));
  TRY(require(body.min_replicas() == 0 || body.durability() == pb::KV_DURABILITY_ALWAYS, "min_replicas",
              "followers answer when a write is fsynced"));
  if (body.has_password()) TRY(check_secret(body.password(), "password"));
  TRY(require(body.has_password() || !body.public_read(), "public_read", "there is no password"));
  TRY(require(body.dialect() == pb::KV_DIALECT_REDIS || body.dialect() == pb::KV_DIALECT_ZDB, "dialect", "is not set"));
  return require_bounds({1, 65535}, body.port(), "port");
}

// The ledger decides by the facets, the node acts by the body: they must tell the same.
Status check_facets(const SignedScope& scope, const pb::Facets& facets, const pb::KvBody& body) {
  const pb::Demand& demand = facets.demand();
  const bool has_followers = facets.replicas() > 1;
  TRY(require_bounds({1, 1 + bounds::kFollowers.max}, facets.replicas(), "replicas"));
  TRY(require(facets.has_set() && facets.set().copies() == body.min_replicas() + 1, "min_replicas",
              "the header's `set` says otherwise"));
  TRY(require(facets.exclusive() == !has_followers, "exclusive", "the header says otherwise than its replicas"));
  TRY(require(facets.on_node_loss() == (has_followers ? pb::NODE_LOSS_MOVE : pb::NODE_LOSS_WAIT), "on_node_loss",
              "with followers it moves, without it waits"));
  TRY(require(facets.placement().spread() == pb::SPREAD_REQUIRE, "placement.spread", "members never share a node"));
  TRY(require(facets.update().max_unavailable() == 1, "update.max_unavailable", "members are renewed one by one"));
  TRY(require(facets.has_health(), "has_health", "is missing"));
  TRY(require(facets.with().empty(), "with", "it has no volumes"));
  TRY(require(demand.disk_bytes() == body.disk_bytes(), "disk_bytes", "the header demands another size"));
  TRY(require_bounds(container_bounds::kCpuMilli, demand.cpu_milli(), "demand.cpu_milli"));
  TRY(require_bounds(bounds::kMemoryBytes, demand.memory_bytes(), "demand.memory_bytes"));
  TRY(require_bounds(container_bounds::kPids, demand.pids(), "demand.pids"));
  TRY(require_bounds({1, container_bounds::kNetworks}, static_cast<uint64_t>(facets.spaces_size()), "networks"));
  std::vector<std::string> claims = claims_on(scope.body, facets.name());
  return require(std::equal(claims.begin(), claims.end(), facets.claims().begin(), facets.claims().end()), "claims",
                 "the header claims other ports than the publications");
}

}  // namespace

Status validate_kv(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& workload) {
  TRY(check_body(workload.kv()));
  return check_facets(scope, facets, workload.kv());
}

}  // namespace mcloud::contract
