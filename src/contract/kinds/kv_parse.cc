#include "contract/conduct.h"
#include "contract/kinds/container.h"
#include "contract/kinds/kv.h"
#include "contract/secret_field.h"

namespace mcloud::contract {
namespace {

namespace bounds = kv_bounds;

// `forever`, {last: 5} or {newer: 30d}.
void read_history(const Cursor& cursor, Place owner, Kv& kv) {
  static constexpr std::string_view kAllowed = "forever, {last: VERSIONS}, {newer: DURATION}";
  if (cursor.is_scalar()) {
    if (cursor.node().scalar != "forever") cursor.complain("does not say what to keep", {std::string(kAllowed), ""});
    return;
  }
  MapReader fields(cursor, owner);
  std::optional<Cursor> last = fields.find("last");
  std::optional<Cursor> newer = fields.find("newer");
  fields.finish();
  if (cursor.is_map() && last.has_value() == newer.has_value()) {
    return cursor.complain("does not say what to keep", {std::string(kAllowed), ""});
  }
  if (last) {
    kv.keep = pb::KV_KEEP_LAST;
    kv.keep_amount = plain(last->number(bounds::kKeepLast)).value_or(0);
  }
  if (newer) {
    kv.keep = pb::KV_KEEP_NEWER;
    kv.keep_amount = plain(newer->duration_ms(bounds::kKeepNewerMs)).value_or(0);
  }
}

void read_replication(MapReader& fields, Kv& kv) {
  kv.followers.place = fields.owner();
  if (auto found = fields.find("followers")) {
    if (auto count = found->number(bounds::kFollowers)) {
      kv.followers = {static_cast<uint32_t>(count->value), count->place};
    }
  }
  if (auto found = fields.find("min_replicas")) {
    if (auto count = found->number(bounds::kFollowers)) {
      kv.min_replicas = Placed<uint32_t>{static_cast<uint32_t>(count->value), count->place};
    }
  }
}

void read_access(MapReader& fields, Kv& kv) {
  if (auto found = fields.find("password")) {
    MapReader inner(*found, fields.owner());
    if (auto secret = inner.get("secret", "secret: env:KV_PASSWORD")) kv.password = read_secret(*secret);
    inner.finish();
  }
  if (auto found = fields.find("public")) kv.public_read = found->boolean().value_or(false);
  if (auto found = fields.find("dialect")) kv.dialect = plain(found->word(kKvDialectWords));
  if (auto found = fields.find("port")) kv.port = plain_u32(found->number({1, 65535}));
  if (auto found = fields.find("networks")) {
    kv.networks = found->unique_texts(kNameRule, container_bounds::kNetworks);
  }
}

void read_resources(MapReader& outer, Kv& kv) {
  std::optional<Cursor> found = outer.find("resources");
  if (!found) return;
  MapReader fields(*found, outer.owner());
  if (auto cpu = fields.find("cpu")) kv.resources.cpu_milli = plain(cpu->cpu_milli(container_bounds::kCpuMilli));
  if (auto memory = fields.find("memory")) kv.resources.memory_bytes = plain(memory->size(bounds::kMemoryBytes));
  fields.finish();
}

}  // namespace

void parse_kv(MapReader& fields, Workload& workload) {
  Kv kv;
  if (auto found = fields.get("size", "size: 1GiB")) {
    kv.size_bytes = found->size(bounds::kSizeBytes).value_or(Placed<uint64_t>{});
  }
  if (auto found = fields.find("disk")) kv.disk_bytes = found->size(bounds::kDiskBytes);
  if (auto found = fields.find("mode")) kv.mode = found->word(kKvModeWords);
  if (auto found = fields.find("durability")) kv.durability = found->word(kKvDurabilityWords);
  if (auto found = fields.find("interval")) kv.interval_ms = found->duration_ms(bounds::kIntervalMs);
  if (auto found = fields.find("history")) read_history(*found, fields.owner(), kv);
  read_replication(fields, kv);
  read_access(fields, kv);
  read_resources(fields, kv);
  kv.placement = read_placement(fields, PlacementOf::Workload);
  kv.conduct = read_conduct(fields);
  workload.spec = std::move(kv);
}

}  // namespace mcloud::contract
