#include "contract/kinds/kv.h"

#include "contract/fields/patterns.h"
#include "contract/fields/table.h"
#include "contract/kinds/container.h"

namespace mcloud::contract {
namespace {

namespace bounds = kv_bounds;

std::vector<Field> data_fields() {
  return {required({.key = "size", .says = "Bound of live keys and values.", .forms = {size(bounds::kSizeBytes)}}),
          {.key = "disk",
           .says = "Bound of its files, history included.",
           .forms = {size(bounds::kDiskBytes)},
           .otherwise = "4 times the size"},
          {.key = "mode",
           .says = "Whether clients choose the keys (user) or the database gives them (sequence).",
           .forms = {word(kKvModeWords)},
           .fallback = "user"},
          {.key = "durability",
           .says = "When a write is on disk: before it is acknowledged, every interval, or when the system likes.",
           .forms = {word(kKvDurabilityWords)},
           .fallback = "always"},
          {.key = "interval",
           .says = "How often writes are brought to disk, with durability interval.",
           .forms = {duration(bounds::kIntervalMs)},
           .otherwise = "1s with durability interval"},
          {.key = "history",
           .says = "Which old versions of a key are kept.",
           .forms = {word({"forever"}),
                     map({{.key = "last", .says = "So many versions.", .forms = {number(bounds::kKeepLast)}},
                          {.key = "newer", .says = "Those that are not older.", .forms = {duration(bounds::kKeepNewerMs)}}})},
           .fallback = "forever"}};
}

}  // namespace

KindFields kv_fields() {
  std::vector<Field> fields = data_fields();
  const std::vector<Field> more = {
      {.key = "followers",
       .says = "Copies beside the master, each on a node of its own.",
       .forms = {number(bounds::kFollowers)},
       .fallback = "0"},
      {.key = "min_replicas",
       .says = "Followers that have a write on disk before it is acknowledged.",
       .forms = {number(bounds::kFollowers)},
       .otherwise = "1; without followers, or with another durability than always: 0"},
      {.key = "password",
       .says = "What clients must say.",
       .forms = {map({required({.key = "secret",
                                .says = "Where the owner's machine finds it; it travels sealed.",
                                .forms = {text(patterns::kSecret)}})})},
       .otherwise = "none"},
      {.key = "public", .says = "Whether reading needs no password.", .forms = {flag()}, .fallback = "false"},
      {.key = "dialect", .says = "What it speaks.", .forms = {word(kKvDialectWords)}, .fallback = "redis"},
      {.key = "port", .says = "Where it listens.", .forms = {number({1, 65535})}, .otherwise = "6379; with 0-db 9900"},
      networks_field(),
      {.key = "resources",
       .says = "What each member may use, at most.",
       .forms = {map({{.key = "cpu", .says = "Share of a core.", .forms = {cpu(container_bounds::kCpuMilli)}, .fallback = "250m"},
                      {.key = "memory", .says = "Memory.", .forms = {size(bounds::kMemoryBytes)}, .fallback = "256MiB"}})},
       .otherwise = "a quarter of a core, 256MiB"},
      placement_field(PlacedBy::Kv)};
  fields.insert(fields.end(), more.begin(), more.end());
  for (Field& field : conduct_fields()) fields.push_back(std::move(field));
  return {"kv", "A key-value database: a master and its followers, each on a node of its own.", std::move(fields)};
}

KindFields volume_fields() {
  return {"volume",
          "Disk space on the node of the one container that mounts it.",
          {required({.key = "size", .says = "How much it holds.", .forms = {size(container_bounds::kDiskBytes)}})}};
}

}  // namespace mcloud::contract
