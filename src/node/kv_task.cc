#include "node/kv_task.h"

#include <algorithm>
#include <string>

namespace mcloud::node {
namespace {

constexpr uint64_t kMebi = 1 << 20;
constexpr uint64_t kOpenFiles = 16'384;     // a connection each, and the log's segments
constexpr uint64_t kBufferMebiMin = 16;     // what the program takes
constexpr uint64_t kBufferMebiMax = 4'096;

std::string durability_of(const pb::KvBody& body) {
  switch (body.durability()) {
    case pb::KV_DURABILITY_INTERVAL: return "interval";
    case pb::KV_DURABILITY_NONE: return "none";
    default: return "always";
  }
}

std::string history_of(const pb::KvHistory& history) {
  switch (history.keep()) {
    case pb::KV_KEEP_LAST: return "last:" + std::to_string(history.amount());
    case pb::KV_KEEP_NEWER: return "newer:" + std::to_string(history.amount());
    default: return "forever";
  }
}

void add_command(const pb::KvBody& body, const pb::Facets& facets, pb::ContainerBody& container) {
  auto add = [&](const std::string& word) { container.add_command(word); };
  auto option = [&](const std::string& name, const std::string& value) {
    add(name);
    add(value);
  };
  add("kv");
  add("serve");
  add("--managed");
  option("--data", "/data");
  option("--listen", "0.0.0.0");
  option("--port", std::to_string(body.port()));
  option("--socket", std::string(kControlPath) + "/" + kControlSocket);
  option("--dialect", body.dialect() == pb::KV_DIALECT_REDIS ? "redis" : "0-db");
  option("--mode", body.mode() == pb::KV_MODE_SEQUENCE ? "seq" : "user");
  option("--durability", durability_of(body));
  if (body.interval_ms() > 0) option("--interval-ms", std::to_string(body.interval_ms()));
  option("--history", history_of(body.history()));
  option("--size", std::to_string(body.size_bytes()));
  // A quarter for clients' buffers; the rest is the index's.
  option("--memory-mb", std::to_string(std::clamp(facets.demand().memory_bytes() / kMebi / 4, kBufferMebiMin,
                                                  kBufferMebiMax)));
  if (!body.has_password()) return;
  option("--admin-password-file", kPasswordPath);
  option("--password-file", kPasswordPath);  // what it tells its master
  add(body.public_read() ? "--protect" : "--private");
}

void add_conduct(const pb::KvBody& body, pb::ContainerBody& container) {
  pb::Health& health = *container.mutable_health();
  health.mutable_tcp()->set_port(body.port());
  health.set_interval_ms(2'000);
  health.set_timeout_ms(2'000);
  health.set_start_period_ms(60'000);  // a large log is looked through when it is opened
  health.set_retries(5);
  pb::Restart& restart = *container.mutable_restart();
  restart.set_when(pb::RESTART_ALWAYS);
  restart.set_backoff_ms(100);  // it is somebody's primary
  restart.set_backoff_max_ms(5'000);
  restart.set_tries_max(8);
  container.set_stop_grace_ms(10'000);
}

}  // namespace

std::shared_ptr<const pb::ContainerBody> kv_container(const pb::KvBody& body, const pb::Facets& facets) {
  auto container = std::make_shared<pb::ContainerBody>();
  container->mutable_image()->set_source(kBuiltinImage);
  container->mutable_image()->set_digest(kBuiltinImage);
  container->set_entrypoint_set(true);
  container->add_entrypoint("/usr/bin/mcloud");
  container->set_command_set(true);
  add_command(body, facets, *container);
  pb::Mount& data = *container->add_mounts();
  data.set_path("/data");
  data.set_volume(facets.name());
  if (body.has_password()) {
    pb::SecretFile& password = *container->add_secret_files();
    password.set_path(kPasswordPath);
    *password.mutable_secret() = body.password();
    password.set_mode(0400);
  }
  pb::Port& port = *container->add_ports();
  port.set_name("kv");
  port.set_number(body.port());
  port.set_protocol("tcp");
  add_conduct(body, *container);
  container->set_read_only(true);
  container->set_files_max(kOpenFiles);
  return container;
}

}  // namespace mcloud::node
