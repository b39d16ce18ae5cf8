#include "node/desired.h"

#include <doctest/doctest.h>

#include "contract/diff.h"
#include "node/life.h"
#include "node/sample_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

// A change of the YAML and whether the contract room says that replicas are started anew for it.
struct Edit {
  const char* from;
  const char* to;
};

std::string edited(std::string text, const Edit& edit) {
  size_t at = text.find(edit.from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, std::string_view(edit.from).size(), edit.to);
}

constexpr const char* kFull = R"(
name: full
workloads:
  app:
    kind: container
    image: oci:./image
    resources: {cpu: 250m, memory: 64MiB, disk: 256MiB, pids: 64}
    environment: {COLOUR: red, TOKEN: {secret: "value:hush"}}
    command: [serve]
    ports: {http: 80}
    user: "1000"
    health: {tcp: {port: http}, interval: 2s, timeout: 1s, retries: 3}
    restart: {when: always, backoff: 500ms, backoff_max: 2s, tries: 3}
    stop_grace: 5s
    mounts:
      /data: {volume: data}
      /cache: {tmpfs: 1MiB}
  data: {kind: volume, size: 64MiB}
  net: {kind: network, range: 10.7.0.0/16}
)";

}  // namespace

TEST_CASE("orders hold everything a replica needs") {
  Ledger ledger;
  Sample sample = make(kFull);
  ledger.place(sample, 7);
  Orders orders = ledger.orders();
  CHECK(orders.refusals.empty());
  ReplicaKey app{sample.id, "app", 0}, data{sample.id, "data", 0};
  REQUIRE(orders.containers.contains(app));
  const ContainerTask& task = orders.containers.at(app);
  CHECK(task.epoch == 7);
  CHECK(task.volumes.at("/data") == data);
  CHECK(!task.volumes.contains("/cache"));
  CHECK(task.secret_key == sample.compiled.secret_key);
  REQUIRE(task.addresses.size() == 1);
  CHECK(task.hosts_file.find("app-0") != std::string::npos);
  CHECK(orders.desired.containers.at(app).volumes == std::vector{data});
  CHECK(orders.desired.volumes.at(data).size_bytes == 64 << 20);
  CHECK(task.container_id().size() <= 63);
  CHECK(task.container_id() == sample.id.hex().substr(0, 16) + "-app-0");
  REQUIRE(orders.networks.at(sample.id).networks_size() == 1);
  CHECK(orders.networks.at(sample.id).networks(0).members(0).netns() == task.container_id());
}

TEST_CASE("the node starts anew exactly what the contract room says is to be started anew") {
  Sample before = make(kFull);
  Ledger ledger;
  ledger.place(before);
  ReplicaKey app{before.id, "app", 0};
  Hash spec = ledger.orders().containers.at(app).spec;
  for (const Edit& edit : std::initializer_list<Edit>{{"COLOUR: red", "COLOUR: blue"}, {"value:hush", "value:loud"}, {"cpu: 250m", "cpu: 300m"},
                           {"memory: 64MiB", "memory: 65MiB"}, {"disk: 256MiB", "disk: 300MiB"}, {"pids: 64", "pids: 65"},
                           {"[serve]", "[serve, fast]"}, {"http: 80", "http: 81"}, {"user: \"1000\"", "user: \"1001\""},
                           {"interval: 2s", "interval: 3s"}, {"retries: 3", "retries: 4"}, {"tries: 3}", "tries: 4}"},
                           {"stop_grace: 5s", "stop_grace: 6s"}, {"tmpfs: 1MiB", "tmpfs: 2MiB"}, {"size: 64MiB", "size: 65MiB"},
                           {"/cache:", "/other:"}, {"oci:./image", "oci:./newer"}, {"user: \"1000\"", "read_only: true"},
                           {"kind: container", "kind: container\n    placement: {countries: [CH]}"}}) {
    CAPTURE(edit.to);
    Sample after = make(edited(kFull, edit), {.version = 2, .previous = &before});
    ledger.place(after, 2);
    bool is_anew = contract::restarts_replicas({before.compiled.header, before.compiled.body},
                                               {after.compiled.header, after.compiled.body}, "app");
    CHECK((ledger.orders().containers.at(app).spec != spec) == is_anew);
  }
}

TEST_CASE("a later version with the same secrets keeps the spec") {
  Ledger ledger;
  Sample before = make(kFull);
  ledger.place(before);
  ReplicaKey app{before.id, "app", 0};
  Hash spec = ledger.orders().containers.at(app).spec;
  ledger.place(make(kFull, {.version = 2, .previous = &before}), 2);
  Orders orders = ledger.orders();
  CHECK(orders.containers.at(app).spec == spec);
  CHECK(orders.containers.at(app).version == 2);
}

TEST_CASE("a replica that its workload's record gives to another node is not started") {
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  ledger.view.contracts[web.id].workloads["web"].mutable_replicas(0)->set_node(kOtherNode.public_key().bytes());
  ledger.view.contracts[web.id].workloads["web"].mutable_replicas(1)->set_epoch(9);
  Orders orders = ledger.orders();
  CHECK(orders.containers.empty());
  CHECK(orders.desired.unverified.size() == 2);
  CHECK(orders.refusals.at({web.id, "web", 0}).code == Code::Conflict);
}

TEST_CASE("a version that is not known leaves its replicas as they are, with their network") {
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  ledger.assigned(web.id)->mutable_replicas(1)->set_version(2);
  Orders orders = ledger.orders();
  CHECK(orders.containers.size() == 1);
  CHECK(orders.desired.unverified.contains({web.id, "web", 1}));
  CHECK(orders.networks.at(web.id).networks(0).members_size() == 2);
}

TEST_CASE("replicas elsewhere are remotes of the network with their node's address in the mesh") {
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  ledger.move_away(web.id, "web", 1);
  Orders orders = ledger.orders();
  const pb::LocalNetwork& network = orders.networks.at(web.id).networks(0);
  REQUIRE(network.members_size() == 1);
  REQUIRE(network.remotes_size() == 1);
  CHECK(network.remotes(0).node() == "198.18.0.8");
  CHECK(network.remotes(0).address() != network.members(0).address());
  // The resolver knows both; the file of the one that is here, which is written once, its own name only.
  REQUIRE(orders.names.size() == 1);
  CHECK(orders.names[0].names.members.size() == 2);
  CHECK(orders.containers.at({web.id, "web", 0}).hosts_file.find("web-1") == std::string::npos);
  CHECK(orders.containers.at({web.id, "web", 0}).hosts_file.find("web-0.hello.internal") != std::string::npos);
  // Only what is here is published here.
  CHECK(orders.publications.at(web.id)[0].targets.size() == 1);
}

TEST_CASE("one contract that is refused takes no other with it") {
  Ledger ledger;
  Sample bad = make(kWeb);
  Sample good = make(kDatabase, {.nonce = 2});
  ledger.place(bad);
  ledger.place(good);
  ledger.view.refused.emplace(bad.id, make_error(Code::Denied, "forged"));
  Orders orders = ledger.orders();
  CHECK(orders.desired.unverified.size() == 2);
  CHECK(orders.containers.size() == 1);
  CHECK(orders.assigned.size() == 4);
}

TEST_CASE("what messages the ledger gets is short, plain text") {
  CHECK(bounded_message(std::string(500, 'x')).size() == 200);
  CHECK(bounded_message("tab\tline\nü\x7f") == "tab line ?? ");
}
