#include "contract/kinds/kv.h"

#include <algorithm>
#include <array>

#include "base/units.h"
#include "contract/conduct.h"
#include "contract/kinds/publish.h"
#include "contract/kinds/reachable.h"
#include "contract/secrets.h"

namespace mcloud::contract {
namespace {

namespace defaults {
constexpr uint64_t kCpuMilli = 250;
constexpr uint64_t kMemoryBytes = 256ull << 20;
constexpr uint64_t kPids = 64;  // threads of one process
constexpr uint64_t kIntervalMs = 1000;
constexpr uint64_t kDiskFactor = 4;  // of the size: history, and what compaction has not dropped yet
constexpr uint32_t kRedisPort = 6379;
constexpr uint32_t kZdbPort = 9900;
}  // namespace defaults

// The role is told to a running process; everything else is in its configuration.
constexpr std::array<std::string_view, 1> kLiveFields = {"min_replicas"};

pb::KvDialect dialect_of(const Kv& kv) { return kv.dialect.value_or(pb::KV_DIALECT_REDIS); }
pb::KvDurability durability_of(const Kv& kv) { return kv.durability ? kv.durability->value : pb::KV_DURABILITY_ALWAYS; }

uint64_t disk_of(const Kv& kv) {
  if (kv.disk_bytes) return kv.disk_bytes->value;
  return std::min(kv.size_bytes.value * defaults::kDiskFactor, kv_bounds::kDiskBytes.max);
}

void check_size(const Kv& kv, const std::string& field, Report& report) {
  if (kv.disk_bytes && kv.disk_bytes->value < kv.size_bytes.value) {
    report.add(kv.disk_bytes->place, field + ".disk", "is less than what it is to hold",
               {"at least size, " + format_size(kv.size_bytes.value) + "; with history more", ""});
  }
  if (kv.interval_ms && durability_of(kv) != pb::KV_DURABILITY_INTERVAL) {
    report.add(kv.interval_ms->place, field + ".interval", "means nothing without durability: interval");
  }
}

void check_replication(const Kv& kv, const Workload& workload, const std::string& field, Report& report) {
  const uint32_t followers = kv.followers.value;
  if (kv.min_replicas && kv.min_replicas->value > followers) {
    report.add(kv.min_replicas->place, field + ".min_replicas",
               "no write could ever be acknowledged: there are " + std::to_string(followers) + " followers",
               {"0 to " + std::to_string(followers), ""});
  } else if (kv.min_replicas && kv.min_replicas->value > 0 && durability_of(kv) != pb::KV_DURABILITY_ALWAYS) {
    report.add(kv.min_replicas->place, field + ".min_replicas", "followers answer when a write is fsynced",
               {"0, or durability: always", ""});
  }
  if (followers == 0) return;
  if (kv.placement.spread && *kv.placement.spread != pb::SPREAD_REQUIRE) {
    report.add(workload.name.place, field + ".placement.spread", "master and followers never share a node",
               {"require", "require"});
  }
  if (kv.placement.pin) {
    report.add(kv.placement.pin->place, field + ".placement.pin", "followers need nodes of their own",
               {"farms, countries, labels", ""});
  }
}

void check_conduct_of(const Kv& kv, const Workload& workload, const std::string& field, Report& report) {
  Conduct conduct = kv.conduct;
  conduct.on_node_loss.reset();
  check_conduct(workload, conduct, 1, false, report);  // its members are renewed one by one
  if (!kv.conduct.on_node_loss) return;
  const bool moves = kv.followers.value > 0;
  if (kv.conduct.on_node_loss->value == (moves ? pb::NODE_LOSS_MOVE : pb::NODE_LOSS_WAIT)) return;
  report.add(kv.conduct.on_node_loss->place, field + ".on_node_loss",
             moves ? "a lost member is copied anew elsewhere" : "its only copy stays behind on the lost node",
             {moves ? "move" : "wait (for the node); with followers: move", ""});
}

void compile_body(CompileScope& scope, const Workload& workload, const Kv& kv, pb::KvBody& out) {
  out.set_size_bytes(kv.size_bytes.value);
  out.set_mode(kv.mode ? kv.mode->value : pb::KV_MODE_USER);
  out.set_durability(durability_of(kv));
  if (durability_of(kv) == pb::KV_DURABILITY_INTERVAL) {
    out.set_interval_ms(kv.interval_ms ? kv.interval_ms->value : defaults::kIntervalMs);
  }
  out.mutable_history()->set_keep(kv.keep);
  out.mutable_history()->set_amount(kv.keep_amount);
  out.set_min_replicas(min_replicas_of(kv));
  if (kv.password) *out.mutable_password() = scope.seal(workload, std::string(kPasswordField), *kv.password);
  out.set_public_read(kv.public_read);
  out.set_dialect(dialect_of(kv));
  out.set_port(port_of(kv));
  out.set_disk_bytes(disk_of(kv));
}

std::string summarize(const pb::Facets& facets, const pb::WorkloadBody& body) {
  const pb::KvBody& kv = body.kv();
  const uint32_t followers = facets.replicas() - 1;
  std::string text = format_size(kv.size_bytes()) + " on port " + std::to_string(kv.port()) + ", ";
  if (followers == 0) return text + "no followers: it waits for its node when that is lost";
  text += std::to_string(followers) + (followers == 1 ? " follower" : " followers");
  if (kv.min_replicas() == 0) return text + ", asynchronous: a lost master may take the last writes with it";
  text += ", a write is on " + std::to_string(kv.min_replicas() + 1) + " nodes before it is acknowledged";
  return kv.min_replicas() == followers ? text + "; one follower down stops writes" : text;
}

}  // namespace

const Kind kKvKind = {
    .name = "kv",
    .body_case = pb::WorkloadBody::kKv,
    .parse = parse_kv,
    .check = check_kv,
    .compile = compile_kv,
    .validate = validate_kv,
    .summary = summarize,
    .own_facets = true,
    .live_fields = kLiveFields,
};

uint32_t port_of(const Kv& kv) {
  return kv.port.value_or(dialect_of(kv) == pb::KV_DIALECT_REDIS ? defaults::kRedisPort : defaults::kZdbPort);
}

uint32_t min_replicas_of(const Kv& kv) {
  if (kv.min_replicas) return kv.min_replicas->value;
  return durability_of(kv) == pb::KV_DURABILITY_ALWAYS ? std::min(kv.followers.value, 1u) : 0;
}

void check_kv(const Contract& contract, const Workload& workload, Report& report) {
  const Kv& kv = std::get<Kv>(workload.spec);
  const std::string field = "workloads." + workload.name.value;
  check_networks(contract, workload, kv.networks, report);
  if (spaces_of(contract, kv.networks).empty()) {
    report.add(workload.name.place, field + ".networks", "nothing can reach a database without a network");
  }
  check_size(kv, field, report);
  check_replication(kv, workload, field, report);
  if (kv.public_read && !kv.password) {
    report.add(workload.name.place, field + ".public", "without a password everybody may read and write",
               {"public: true together with password: {secret: ...}", ""});
  }
  check_placement(contract, workload, kv.placement, report);
  check_conduct_of(kv, workload, field, report);
}

void compile_kv(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body) {
  const Kv& kv = std::get<Kv>(workload.spec);
  const bool has_followers = kv.followers.value > 0;
  compile_body(scope, workload, kv, *body.mutable_kv());
  facets.set_replicas(1 + kv.followers.value);
  pb::Demand& demand = *facets.mutable_demand();
  demand.set_cpu_milli(kv.resources.cpu_milli.value_or(defaults::kCpuMilli));
  demand.set_memory_bytes(kv.resources.memory_bytes.value_or(defaults::kMemoryBytes));
  demand.set_disk_bytes(disk_of(kv));
  demand.set_pids(defaults::kPids);
  facets.set_exclusive(!has_followers);  // members are fenced by their terms
  for (std::string& claim : claims_on(scope.contract(), workload.name.value)) facets.add_claims(std::move(claim));
  for (std::string& space : spaces_of(scope.contract(), kv.networks)) facets.add_spaces(std::move(space));
  facets.set_has_health(true);
  facets.mutable_set()->set_copies(1 + min_replicas_of(kv));
  compile_placement(scope, workload, kv.placement, facets);
  facets.mutable_placement()->set_spread(pb::SPREAD_REQUIRE);
  compile_conduct(kv.conduct, !has_followers, facets);
  // A master that is cut off acknowledges nothing alone, unless nobody else has to have it: then it stops in time.
  const bool is_alone = has_followers && min_replicas_of(kv) == 0;
  if (is_alone && !kv.conduct.on_isolation) facets.set_on_isolation(pb::ISOLATION_STOP);
}

}  // namespace mcloud::contract
