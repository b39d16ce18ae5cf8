#include "contract/kinds/container.h"

#include "contract/fields/patterns.h"
#include "contract/fields/table.h"
#include "contract/header.h"

namespace mcloud::contract {
namespace {

namespace bounds = container_bounds;
using namespace patterns;

Shape secret_map() {
  return map({required({.key = "secret",
                        .says = "Where the owner's machine finds the secret; it travels sealed.",
                        .forms = {text(kSecret)}})});
}

Field image_field() {
  return required({.key = "image",
                   .says = "What it runs: an image of its own folder, archive, list file or registry.",
                   .forms = {text(kImage),
                             map({required({.key = "source", .says = "Where the image is.", .forms = {text(kImage)}}),
                                  {.key = "digest",
                                   .says = "What the source must hold.",
                                   .forms = {text(kDigest)},
                                   .otherwise = "what it holds when the contract is applied"},
                                  {.key = "signed_by",
                                   .says = "People or keys, each of whom must have signed the image.",
                                   .forms = {list({0, bounds::kImageSigners}, {text(kWho)})},
                                   .fallback = "[]"}})}});
}

Field resources_field() {
  return {.key = "resources",
          .says = "What each replica may use, at most.",
          .forms = {map({{.key = "cpu", .says = "Share of a core.", .forms = {cpu(bounds::kCpuMilli)}, .fallback = "250m"},
                         {.key = "memory", .says = "Memory.", .forms = {size(bounds::kMemoryBytes)}, .fallback = "128MiB"},
                         {.key = "disk",
                          .says = "What it writes beside its volumes, its log included.",
                          .forms = {size(bounds::kDiskBytes)},
                          .fallback = "1GiB"},
                         {.key = "pids", .says = "Processes and threads.", .forms = {number(bounds::kPids)}, .fallback = "256"},
                         {.key = "files", .says = "Open files of a process.", .forms = {number(bounds::kFiles)}, .fallback = "16384"}})},
          .otherwise = "a quarter of a core, 128MiB of memory, 1GiB of disk"};
}

Field health_field() {
  const Field port = required({.key = "port", .says = "The port that is asked.", .forms = {text(kPortOf)}});
  const Shape http = map({port, {.key = "path", .says = "What is asked for.", .forms = {text(kHttpPath)}, .fallback = "/"}});
  return {.key = "health",
          .says = "How to tell that a replica is ready: exactly one of http, tcp and exec.",
          .forms = {map({{.key = "http", .says = "Ready when it answers 200 to 399.", .forms = {http}},
                         {.key = "tcp", .says = "Ready when it takes a connection.", .forms = {map({port})}},
                         {.key = "exec",
                          .says = "Ready when this command ends with 0 in the container.",
                          .forms = {list({1, bounds::kArguments}, {text(kValue)})}},
                         {.key = "interval", .says = "How often.", .forms = {duration(bounds::kIntervalMs)}, .fallback = "2s"},
                         {.key = "timeout", .says = "How long an answer may take.", .forms = {duration(bounds::kTimeoutMs)}, .fallback = "1s"},
                         {.key = "start_period",
                          .says = "How long failures do not count after a start.",
                          .forms = {duration(bounds::kStartPeriodMs)},
                          .fallback = "5s"},
                         {.key = "retries",
                          .says = "How many failures in a row make it unhealthy.",
                          .forms = {number(bounds::kRetries)},
                          .fallback = "3"}})},
          .otherwise = "ready when it runs"};
}

Field restart_field() {
  return {.key = "restart",
          .says = "When a replica that ended is started again, and how fast.",
          .forms = {word(kRestartWords),
                    map({{.key = "when", .says = "After which end.", .forms = {word(kRestartWords)}, .fallback = "always"},
                         {.key = "backoff", .says = "The first pause.", .forms = {duration(bounds::kBackoffMs)}, .fallback = "200ms"},
                         {.key = "backoff_max",
                          .says = "The longest pause; each is twice the one before.",
                          .forms = {duration(bounds::kBackoffMs)},
                          .fallback = "30s"},
                         {.key = "tries",
                          .says = "Starts in a row that may fail before it is stuck; 0 is without end.",
                          .forms = {number(bounds::kTries)},
                          .fallback = "10"}})},
          .fallback = "always"};
}

std::vector<Field> process_fields() {
  const std::vector<Shape> arguments = {list({0, bounds::kArguments}, {text(kValue)})};
  return {{.key = "entrypoint", .says = "The program and its first arguments.", .forms = arguments, .otherwise = "the image's"},
          {.key = "command", .says = "Arguments behind the entrypoint.", .forms = arguments, .otherwise = "the image's"},
          {.key = "environment",
           .says = "Variables of its processes: texts, or secrets.",
           .forms = {names(bounds::kVariables, kVariableName, {text(kValue), secret_map()})},
           .fallback = "{}"},
          {.key = "secret_files",
           .says = "Files in memory that hold secrets, by their path.",
           .forms = {names(bounds::kSecretFiles, kContainerPath,
                           {map({secret_map().fields[0],
                                 {.key = "mode", .says = "Who may read it.", .forms = {text(kMode)}, .fallback = "0400"}})})},
           .fallback = "{}"},
          {.key = "user", .says = "As whom it runs.", .forms = {text(kUser)}, .otherwise = "the image's"},
          {.key = "working_folder", .says = "Where it starts.", .forms = {text(kFolder)}, .otherwise = "the image's"},
          {.key = "read_only", .says = "Whether its root file system is read-only.", .forms = {flag()}, .fallback = "false"},
          {.key = "programs",
           .says = "Whether it may execute anything but the files of its image.",
           .forms = {word(kProgramWords)},
           .fallback = "any"}};
}

Field mounts_field() {
  const Shape where = map({{.key = "volume", .says = "The volume that is mounted.", .forms = {text(kName)}},
                           {.key = "tmpfs", .says = "Or memory of this size.", .forms = {size(bounds::kTmpfsBytes)}},
                           {.key = "read_only", .says = "Whether nothing may be written.", .forms = {flag()}, .fallback = "false"}});
  return {.key = "mounts",
          .says = "Volumes and memory, by the path where they appear.",
          .forms = {names(bounds::kMounts, kContainerPath, {text(kName), where})},
          .fallback = "{}"};
}

}  // namespace

KindFields container_fields() {
  std::vector<Field> fields = {
      image_field(),
      {.key = "replicas", .says = "How many of it run.", .forms = {number({0, kReplicasMax})}, .fallback = "1"},
      resources_field()};
  for (Field& field : process_fields()) fields.push_back(std::move(field));
  fields.push_back(mounts_field());
  fields.push_back({.key = "ports",
                    .says = "Ports it listens on, by a name of their own.",
                    .forms = {names(bounds::kPorts, kPortName, {text(kPort)})},
                    .fallback = "{}"});
  fields.push_back(networks_field());
  fields.push_back(health_field());
  fields.push_back(restart_field());
  fields.push_back({.key = "stop_grace",
                    .says = "How long it may take to end when asked to.",
                    .forms = {duration(bounds::kStopGraceMs)},
                    .fallback = "10s"});
  fields.push_back(placement_field(PlacedBy::Container));
  for (Field& field : conduct_fields()) fields.push_back(std::move(field));
  return {"container", "Processes from an image, in replicas.", std::move(fields)};
}

}  // namespace mcloud::contract
