// A workload of kind kv as orders, and as what the runtime starts.
#include <doctest/doctest.h>

#include <algorithm>

#include "node/container_spec.h"
#include "node/kv_task.h"
#include "node/sample_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

std::string with(std::string yaml, const std::string& from, const std::string& to) {
  yaml.replace(yaml.find(from), from.size(), to);
  return yaml;
}

Orders orders_of(const Sample& sample) {
  Ledger ledger;
  ledger.place(sample);
  return ledger.orders();
}

// The word behind an option; "" when it is not there.
std::string option(const ContainerTask& task, const std::string& name) {
  const auto& words = task.container->command();
  auto found = std::find(words.begin(), words.end(), name);
  return found == words.end() || found + 1 == words.end() ? "" : *(found + 1);
}

}  // namespace

TEST_CASE("a replica of a kv is our own program, with a volume of its own name and index") {
  Sample sample = make(kStore);
  Orders orders = orders_of(sample);
  CHECK(orders.refusals.empty());
  REQUIRE(orders.containers.size() == 3);
  ReplicaKey replica{sample.id, "store", 1};
  const ContainerTask& task = orders.containers.at(replica);
  CHECK(task.container == task.built_in.get());
  CHECK(task.container->image().digest() == kBuiltinImage);
  CHECK(task.container->read_only());
  CHECK(option(task, "--port") == "6379");
  CHECK(option(task, "--dialect") == "redis");
  CHECK(option(task, "--durability") == "always");
  CHECK(option(task, "--size") == std::to_string(64 << 20));
  CHECK(task.volumes == std::map<std::string, ReplicaKey>{{"/data", replica}});
  CHECK(orders.volumes.at(replica).size_bytes == 256 << 20);
  CHECK(orders.desired.containers.at(replica).volumes == std::vector<ReplicaKey>{replica});
  CHECK(orders.desired.volumes.at(replica).size_bytes == 256 << 20);
  CHECK(task.addresses.size() == 1);
}

TEST_CASE("the task of a kv outlives the orders it came with") {
  std::optional<ContainerTask> task;
  {
    Sample sample = make(kStore);
    task = orders_of(sample).containers.at({sample.id, "store", 0});
  }
  CHECK(option(*task, "--data") == "/data");
}

TEST_CASE("a kv begins anew for what its program is started with, and not for what it is told later") {
  Sample first = make(kStore);
  ReplicaKey replica{first.id, "store", 0};
  Hash spec = orders_of(first).containers.at(replica).spec;
  auto spec_with = [&](const std::string& from, const std::string& to) {
    return orders_of(make(with(kStore, from, to), {.version = 2, .previous = &first})).containers.at(replica).spec;
  };
  CHECK(spec_with("min_replicas: 1", "min_replicas: 2") == spec);
  CHECK(spec_with("size: 64MiB", "size: 65MiB") != spec);
  CHECK(spec_with("followers: 2", "followers: 2\n    history: {last: 3}") != spec);
  CHECK(spec_with("value:hush", "value:hush hush") != spec);
}

TEST_CASE("a member's order says who it is, who counts, and where the primary is") {
  Ledger ledger;
  Sample sample = make(kStore);
  ledger.place(sample, 3);
  ledger.set(sample.id, "store", 7, 2);
  ledger.move_away(sample.id, "store", 1);
  Orders orders = ledger.orders();
  REQUIRE(orders.sets.size() == 2);
  const SetOrder& order = orders.sets.at({sample.id, "store", 0});
  CHECK(order.term == 7);
  CHECK(order.self == GroupMember{0, 3});
  CHECK(order.primary == GroupMember{2, 3});
  CHECK(order.copies == 2);
  CHECK(order.voters == std::vector<GroupMember>{{0, 3}, {1, 3}, {2, 3}});
  CHECK(order.candidates == std::vector<GroupMember>{{0, 3}, {1, 4}, {2, 3}});
  CHECK(order.primary_host == "10.42.0.4");
  CHECK(order.port == 6379);
  CHECK(!order.is_primary());
  CHECK(orders.sets.at({sample.id, "store", 2}).is_primary());
}

TEST_CASE("a kv's password and control folder reach its container, and only as they should") {
  Sample sample = make(kStore);
  ContainerTask task = orders_of(sample).containers.at({sample.id, "store", 0});
  task.base_uid = 131'072;
  image::PreparedImage image{.digest = kBuiltinImage, .root_folder = "/builtin/x/root"};
  image.config.environment = {"LD_LIBRARY_PATH=/lib"};
  ContainerSurroundings around{.chain_id = kChain, .disk_folder = "/disk", .volume_folder = "/volumes",
                               .network_namespace = "/run/netns/x", .resolver = "", .control_folder = "/control/y"};
  auto spec = container_spec(task, image, around);
  REQUIRE_MESSAGE(spec.has_value(), spec.error().message);
  CHECK(spec->arguments[0] == "/usr/bin/mcloud");
  CHECK(spec->environment == std::vector<std::string>{"LD_LIBRARY_PATH=/lib"});
  REQUIRE(spec->mounts.size() == 2);
  CHECK(spec->mounts[0].source == volume_folder("/volumes", {sample.id, "store", 0}) + "/data");
  CHECK(spec->mounts[1].source == "/control/y");
  CHECK(spec->mounts[1].path == kControlPath);
  CHECK(!spec->mounts[1].idmapped);
  auto password = std::find_if(spec->files.begin(), spec->files.end(),
                               [](const auto& file) { return file.path == kPasswordPath; });
  REQUIRE(password != spec->files.end());
  CHECK(password->content == "hush");
  CHECK(password->mode == 0400);
  for (const std::string& word : spec->arguments) CHECK(word.find("hush") == std::string::npos);
}
