#include "node/container_spec.h"

#include <doctest/doctest.h>

#include "node/sample_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kYaml = R"(
name: full
workloads:
  app:
    kind: container
    image: oci:./image
    resources: {cpu: 250m, memory: 64MiB, pids: 64}
    environment: {COLOUR: red, PATH: /own, TOKEN: {secret: "value:hush"}}
    secret_files:
      /run/secrets/key: {secret: "value:file hush"}
    mounts:
      /data: {volume: data}
      /cache: {tmpfs: 1MiB}
COMMAND
  data: {kind: volume, size: 64MiB}
)";

image::PreparedImage an_image() {
  image::PreparedImage image;
  image.root_folder = "/images/x/root";
  image.config = {.entrypoint = {"/entry"}, .command = {"default"}, .environment = {"PATH=/bin", "LANG=C", "broken"},
                  .user = "www", .working_folder = "/srv", .stop_signal = "SIGQUIT"};
  return image;
}

Result<runtime::ContainerSpec> spec(const std::string& command, const image::PreparedImage& prepared, bool is_key_wrong = false) {
  std::string yaml = kYaml;
  yaml.replace(yaml.find("COMMAND"), 7, command);
  Ledger ledger;
  Sample sample = make(yaml);
  ledger.place(sample);
  Orders orders = ledger.orders();
  ContainerTask task = orders.containers.at({sample.id, "app", 0});
  if (is_key_wrong) task.secret_key[0] ^= 1;
  task.base_uid = 131'072;
  return container_spec(task, prepared, {.chain_id = kChain, .disk_folder = "/disk", .volume_folder = "/volumes",
                                         .network_namespace = "/run/netns/x", .resolver = "nameserver 10.0.0.1\n"});
}

const runtime::ContainerFile* file(const runtime::ContainerSpec& spec, std::string_view path) {
  for (const runtime::ContainerFile& one : spec.files) {
    if (one.path == path) return &one;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("image and contract together say what runs") {
  auto made = spec("", an_image());
  REQUIRE(made.has_value());
  CHECK(made->arguments == std::vector<std::string>{"/entry", "default"});
  CHECK(made->environment == std::vector<std::string>{"COLOUR=red", "LANG=C", "PATH=/own", "TOKEN=hush"});
  CHECK(made->user == "www");
  CHECK(made->working_folder == "/srv");
  CHECK(made->stop_signal == "SIGQUIT");
  CHECK(made->hostname == "app-0");
  CHECK(made->base_uid == 131'072);
  CHECK(made->limits.memory_bytes == 64 << 20);
  CHECK(made->limits.cpu_milli == 250);
  CHECK(made->limits.pids == 64);
  REQUIRE(made->mounts.size() == 2);
  CHECK(made->mounts[0].source == "");
  CHECK(made->mounts[0].bytes_max == 1 << 20);
  CHECK(made->mounts[1].path == "/data");
  CHECK(made->mounts[1].source.ends_with("/data-0/data"));
  CHECK(made->mounts[1].idmapped);
  CHECK_FALSE(made->only_image_programs);
  CHECK(spec("    programs: image-only", an_image())->only_image_programs);
}

TEST_CASE("as with Docker another command keeps the entrypoint, another entrypoint drops the command") {
  using Words = std::vector<std::string>;
  CHECK(spec("    command: [other, words]", an_image())->arguments == Words{"/entry", "other", "words"});
  CHECK(spec("    entrypoint: [/mine]", an_image())->arguments == Words{"/mine"});
  CHECK(spec("    entrypoint: [/mine]\n    command: [x]", an_image())->arguments == Words{"/mine", "x"});
  image::PreparedImage empty = an_image();
  empty.config.entrypoint.clear();
  empty.config.command.clear();
  CHECK(spec("", empty).error().code == Code::Invalid);
}

TEST_CASE("secret files are the user's and nobody else's, and a wrong key opens nothing") {
  auto made = spec("", an_image());
  const runtime::ContainerFile* secret = file(*made, "/run/secrets/key");
  REQUIRE(secret != nullptr);
  CHECK(secret->content == "file hush");
  CHECK(secret->mode == 0400);
  CHECK(secret->owned_by_user);
  CHECK(file(*made, "/etc/resolv.conf")->content == "nameserver 10.0.0.1\n");
  CHECK(file(*made, "/etc/hosts")->content.find("app-0") != std::string::npos);
  auto refused = spec("", an_image(), true);
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == Code::Denied);
  CHECK(refused.error().message.find("hush") == std::string::npos);
}
