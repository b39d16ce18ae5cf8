#include "contract/header.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "contract/test_fixture.h"
#include "crypto/hash.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

namespace {

pb::Facets& facets(pb::ContractHeader& header, std::string_view name) {
  for (pb::Facets& found : *header.mutable_workloads()) {
    if (found.name() == name) return found;
  }
  throw std::runtime_error("no such workload");
}
pb::WorkloadBody& workload(pb::ContractBody& body, std::string_view name) {
  for (pb::WorkloadBody& found : *body.mutable_workloads()) {
    if (found.name() == name) return found;
  }
  throw std::runtime_error("no such workload");
}
pb::ContainerBody& container(pb::ContractBody& body, std::string_view name) {
  return *workload(body, name).mutable_container();
}

pb::KvBody& kv(pb::ContractBody& body, std::string_view name) { return *workload(body, name).mutable_kv(); }

struct HeaderLie {
  const char* what;
  std::function<void(pb::ContractHeader&)> tell;
};
struct BodyLie {
  const char* what;
  std::function<void(pb::ContractBody&)> tell;
};

using H = pb::ContractHeader;
using B = pb::ContractBody;

const HeaderLie kHeaderLies[] = {
    {"format", [](H& h) { h.set_format(2); }},
    {"name with a capital", [](H& h) { h.set_name("Everything"); }},
    {"empty name", [](H& h) { h.set_name(""); }},
    {"long name", [](H& h) { h.set_name(std::string(41, 'a')); }},
    {"short owner", [](H& h) { h.set_owner("x"); }},
    {"short nonce", [](H& h) { h.set_nonce("x"); }},
    {"version 0", [](H& h) { h.set_version(0); }},
    {"no body hash", [](H& h) { h.clear_body_hash(); }},
    {"no expiry", [](H& h) { h.set_expires_ms(0); }},
    {"expiry beyond all times", [](H& h) { h.set_expires_ms(~0ull); }},
    {"no approvals", [](H& h) { h.clear_approvals(); }},
    {"no signers", [](H& h) { h.mutable_approvals()->clear_signers(); }},
    {"threshold 0", [](H& h) { h.mutable_approvals()->set_threshold(0); }},
    {"threshold out of reach", [](H& h) { h.mutable_approvals()->set_threshold(6); }},
    {"acceptance out of reach", [](H& h) { h.mutable_approvals()->set_acceptance_threshold(6); }},
    {"weight 0", [](H& h) { h.mutable_approvals()->mutable_signers(0)->set_weight(0); }},
    {"huge weight", [](H& h) { h.mutable_approvals()->mutable_signers(0)->set_weight(~0u); }},
    {"a signer twice", [](H& h) { *h.mutable_approvals()->add_signers() = h.approvals().signers(3); }},
    {"signers unsorted", [](H& h) { h.mutable_approvals()->mutable_signers()->SwapElements(0, 1); }},
    {"no role", [](H& h) { h.mutable_approvals()->mutable_signers(0)->clear_role(); }},
    {"short signer key", [](H& h) { h.mutable_approvals()->mutable_signers(0)->set_key("k"); }},
    {"no workloads", [](H& h) { h.clear_workloads(); }},
    {"workloads unsorted", [](H& h) { h.mutable_workloads()->SwapElements(0, 1); }},
    {"a workload twice", [](H& h) { *h.add_workloads() = h.workloads(h.workloads_size() - 1); }},
    {"too many workloads", [](H& h) {
       for (int i = 0; i < 60; ++i) {
         pb::Facets& more = *h.add_workloads();
         more = facets(h, "site");
         more.set_name("x" + std::to_string(100 + i));
       }
     }},
    {"no kind", [](H& h) { facets(h, "web").clear_kind(); }},
    {"too many replicas", [](H& h) { facets(h, "cache").set_replicas(1001); }},
    {"more replicas than addresses", [](H& h) { facets(h, "web").set_replicas(254); }},
    {"no demand", [](H& h) { facets(h, "web").clear_demand(); }},
    {"no placement", [](H& h) { facets(h, "web").clear_placement(); }},
    {"no update", [](H& h) { facets(h, "web").clear_update(); }},
    {"endless memory", [](H& h) { facets(h, "web").mutable_demand()->set_memory_bytes(~0ull); }},
    {"endless disk", [](H& h) { facets(h, "web").mutable_demand()->set_disk_bytes(~0ull); }},
    {"endless cpu", [](H& h) { facets(h, "web").mutable_demand()->set_cpu_milli(~0ull); }},
    {"endless pids", [](H& h) { facets(h, "web").mutable_demand()->set_pids(~0ull); }},
    {"spread unset", [](H& h) { facets(h, "web").mutable_placement()->clear_spread(); }},
    {"spread unknown", [](H& h) { facets(h, "web").mutable_placement()->set_spread(static_cast<pb::Spread>(9)); }},
    {"node loss unset", [](H& h) { facets(h, "web").clear_on_node_loss(); }},
    {"node loss unknown", [](H& h) { facets(h, "web").set_on_node_loss(static_cast<pb::NodeLoss>(-1)); }},
    {"isolation unset", [](H& h) { facets(h, "web").clear_on_isolation(); }},
    {"mass loss unset", [](H& h) { facets(h, "web").clear_on_mass_loss(); }},
    {"nothing may be unavailable", [](H& h) { facets(h, "web").mutable_update()->set_max_unavailable(0); }},
    {"more unavailable than there are", [](H& h) { facets(h, "web").mutable_update()->set_max_unavailable(5); }},
    {"an age until healthy", [](H& h) { facets(h, "web").mutable_update()->set_healthy_after_ms(~0ull); }},
    {"farms unsorted", [](H& h) { facets(h, "cache").mutable_placement()->mutable_farms()->SwapElements(0, 1); }},
    {"a farm's name", [](H& h) { facets(h, "web").mutable_placement()->set_farms(0, "No Farm"); }},
    {"a country", [](H& h) { facets(h, "web").mutable_placement()->set_countries(0, "be"); }},
    {"a label", [](H& h) { facets(h, "web").mutable_placement()->mutable_labels(0)->set_key("Disk"); }},
    {"a label twice", [](H& h) {
       auto& placement = *facets(h, "web").mutable_placement();
       *placement.add_labels() = placement.labels(0);
     }},
    {"short pin", [](H& h) { facets(h, "web").mutable_placement()->set_pin("node"); }},
    {"apart from nobody", [](H& h) { facets(h, "web").mutable_placement()->set_apart(0, "ghost"); }},
    {"apart from itself", [](H& h) { facets(h, "web").mutable_placement()->set_apart(0, "web"); }},
    {"together and apart", [](H& h) { facets(h, "web").mutable_placement()->set_apart(0, "cache"); }},
    {"apart from a follower", [](H& h) { facets(h, "web").mutable_placement()->set_apart(0, "data"); }},
    {"a leader that moves", [](H& h) {
       for (const char* name : {"db", "data", "logs"}) facets(h, name).set_on_node_loss(pb::NODE_LOSS_MOVE);
     }},
    {"starting empty without a volume", [](H& h) { facets(h, "web").set_on_node_loss(pb::NODE_LOSS_START_EMPTY); }},
    {"with nobody", [](H& h) { facets(h, "db").set_with(0, "a-ghost"); }},
    {"with itself", [](H& h) { facets(h, "db").set_with(0, "db"); }},
    {"with unsorted", [](H& h) { facets(h, "db").mutable_with()->SwapElements(0, 1); }},
    {"a follower of two", [](H& h) {
       pb::Facets copy = facets(h, "db");
       copy.set_name("cache");
       facets(h, "cache") = copy;
     }},
    {"a follower that leads", [](H& h) { facets(h, "data").add_with("logs"); }},
    {"a follower with other replicas", [](H& h) { facets(h, "data").set_replicas(2); }},
    {"a follower placed elsewhere", [](H& h) { facets(h, "data").mutable_placement()->clear_farms(); }},
    {"a follower that is not exclusive", [](H& h) { facets(h, "data").set_exclusive(false); }},
    {"a follower that waits", [](H& h) { facets(h, "data").set_on_node_loss(pb::NODE_LOSS_WAIT); }},
    {"a claim without a slash", [](H& h) { facets(h, "web").set_claims(0, "tcp8080"); }},
    {"a claim twice", [](H& h) { facets(h, "web").add_claims("udp/53"); }},
    {"a set of nobody", [](H& h) { facets(h, "store").set_replicas(0); }},
    {"a set of too many", [](H& h) { facets(h, "store").set_replicas(17); }},
    {"a set without copies", [](H& h) { facets(h, "store").mutable_set()->set_copies(0); }},
    {"a set of more copies than replicas", [](H& h) { facets(h, "store").mutable_set()->set_copies(4); }},
    {"a set that starts empty", [](H& h) { facets(h, "store").set_on_node_loss(pb::NODE_LOSS_START_EMPTY); }},
    {"a set that leads", [](H& h) {
       pb::Facets copy = facets(h, "db");
       copy.mutable_set()->set_copies(1);
       facets(h, "db") = copy;
     }},
    {"a follower that is a set", [](H& h) { facets(h, "data").mutable_set()->set_copies(1); }},
    {"a space that is not there", [](H& h) { facets(h, "web").set_spaces(0, "another"); }},
    {"a range with host bits", [](H& h) { h.mutable_spaces(0)->set_range("10.7.0.1/16"); }},
    {"a range that is no range", [](H& h) { h.mutable_spaces(0)->set_range("everywhere"); }},
    {"overlapping ranges", [](H& h) { h.mutable_spaces(0)->set_range("192.168.0.0/16"); }},
    {"spaces unsorted", [](H& h) { h.mutable_spaces()->SwapElements(0, 1); }},
};

const BodyLie kBodyLies[] = {
    {"format", [](B& b) { b.set_format(0); }},
    {"another contract's nonce", [](B& b) { b.set_nonce("fedcba9876543210"); }},
    {"a workload less", [](B& b) { b.mutable_workloads()->RemoveLast(); }},
    {"a workload more", [](B& b) { *b.add_workloads() = b.workloads(0); }},
    {"another order", [](B& b) { b.mutable_workloads()->SwapElements(0, 1); }},
    {"another name", [](B& b) { workload(b, "web").set_name("wec"); }},
    {"another kind", [](B& b) { workload(b, "web").mutable_volume()->set_size_bytes(1 << 30); }},
    {"no kind", [](B& b) { workload(b, "web").clear_kind(); }},
    {"no image", [](B& b) { container(b, "web").clear_image(); }},
    {"an image from anywhere", [](B& b) { container(b, "web").mutable_image()->set_source("/etc"); }},
    {"a short digest", [](B& b) { container(b, "web").mutable_image()->set_digest("sha256:00"); }},
    {"a signer without a key", [](B& b) { container(b, "app").mutable_image()->set_signers(0, "ida"); }},
    {"signers unsorted", [](B& b) { container(b, "app").mutable_image()->mutable_signers()->SwapElements(0, 1); }},
    {"signers of what carries no signatures", [](B& b) { container(b, "app").mutable_image()->set_source("oci:/image"); }},
    {"words of an entrypoint that is not set", [](B& b) { container(b, "web").set_entrypoint_set(false); }},
    {"a zero byte in a command", [](B& b) { container(b, "web").set_command(0, std::string("a\0b", 3)); }},
    {"environment unsorted", [](B& b) { container(b, "web").mutable_environment()->SwapElements(0, 1); }},
    {"a variable's name", [](B& b) { container(b, "web").mutable_environment(0)->set_name("A=B"); }},
    {"a value and a secret", [](B& b) { container(b, "web").mutable_environment(2)->set_value("both"); }},
    {"an empty box", [](B& b) { container(b, "web").mutable_environment(2)->mutable_secret()->clear_box(); }},
    {"a mount over /", [](B& b) { container(b, "db").mutable_mounts(0)->set_path("/"); }},
    {"a mount over /proc", [](B& b) { container(b, "db").mutable_mounts(2)->set_path("/proc"); }},
    {"a mount that climbs", [](B& b) { container(b, "db").mutable_mounts(0)->set_path("/a/../.."); }},
    {"a volume that is not there", [](B& b) { container(b, "db").mutable_mounts(0)->set_volume("ghost"); }},
    {"a network as a volume", [](B& b) { container(b, "db").mutable_mounts(0)->set_volume("backend"); }},
    {"a volume the header does not know of", [](B& b) { container(b, "db").mutable_mounts(1)->set_volume("data"); }},
    {"read-only although exclusive", [](B& b) {
       container(b, "db").mutable_mounts(0)->set_read_only(true);
       container(b, "db").mutable_mounts(1)->set_read_only(true);
     }},
    {"another container's volume", [](B& b) {
       pb::Mount& mount = *container(b, "cache").add_mounts();
       mount.set_path("/data");
       mount.set_volume("data");
     }},
    {"more tmpfs than memory", [](B& b) { container(b, "db").mutable_mounts(2)->set_tmpfs_bytes(1ull << 40); }},
    {"a tmpfs without a size", [](B& b) { container(b, "db").mutable_mounts(2)->set_tmpfs_bytes(0); }},
    {"a secret file over a mount", [](B& b) { container(b, "db").mutable_secret_files(0)->set_path("/data"); }},
    {"a secret file with the sticky bit", [](B& b) { container(b, "db").mutable_secret_files(0)->set_mode(01777); }},
    {"a secret file without a secret", [](B& b) { container(b, "db").mutable_secret_files(0)->clear_secret(); }},
    {"port 0", [](B& b) { container(b, "cache").mutable_ports(0)->set_number(0); }},
    {"port 65536", [](B& b) { container(b, "cache").mutable_ports(0)->set_number(65536); }},
    {"a protocol", [](B& b) { container(b, "cache").mutable_ports(0)->set_protocol("sctp"); }},
    {"a port twice", [](B& b) { container(b, "web").mutable_ports(2)->set_number(80); }},
    {"no health although the header says so", [](B& b) { container(b, "web").clear_health(); }},
    {"a health check of nothing", [](B& b) { container(b, "web").mutable_health()->clear_check(); }},
    {"a health check that splits a request", [](B& b) {
       container(b, "web").mutable_health()->mutable_http()->set_path("/ HTTP/1.1\r\nX: y");
     }},
    {"a health check without pause", [](B& b) { container(b, "web").mutable_health()->set_interval_ms(0); }},
    {"an empty health command", [](B& b) { container(b, "db").mutable_health()->mutable_exec()->clear_command(); }},
    {"no restart policy", [](B& b) { container(b, "web").clear_restart(); }},
    {"a restart without back-off", [](B& b) { container(b, "web").mutable_restart()->set_backoff_ms(0); }},
    {"back-off above its bound", [](B& b) { container(b, "web").mutable_restart()->set_backoff_max_ms(1); }},
    {"a user with a newline", [](B& b) { container(b, "db").set_user("root\n"); }},
    {"a relative working folder", [](B& b) { container(b, "db").set_working_folder("data"); }},
    {"an age to stop", [](B& b) { container(b, "db").set_stop_grace_ms(~0ull); }},
    {"no open files", [](B& b) { container(b, "db").set_files_max(0); }},
    {"a volume of another size", [](B& b) { workload(b, "data").mutable_volume()->set_size_bytes(1 << 20); }},
    {"a network of another range", [](B& b) { workload(b, "front").mutable_network()->set_range("10.8.0.0/16"); }},
    {"a port that nobody claimed", [](B& b) { workload(b, "site").mutable_publish()->set_port(22); }},
    {"a port of nobody", [](B& b) { workload(b, "site").mutable_publish()->set_target("ghost"); }},
    {"a port of another", [](B& b) { workload(b, "site").mutable_publish()->set_target("cache"); }},
    {"a port the target has not", [](B& b) { workload(b, "site").mutable_publish()->set_target_port(81); }},
    {"one port published twice", [](B& b) { workload(b, "site").mutable_publish()->set_port(8081); }},
    {"a publication of a kv's other port", [](B& b) { workload(b, "keys").mutable_publish()->set_target_port(1); }},
    {"a publication of a kv by udp", [](B& b) { workload(b, "keys").mutable_publish()->set_protocol("udp"); }},
    {"a kv without a size", [](B& b) { kv(b, "store").set_size_bytes(0); }},
    {"a kv larger than its disk", [](B& b) { kv(b, "store").set_size_bytes(9ull << 30); }},
    {"a kv with another disk", [](B& b) { kv(b, "store").set_disk_bytes(7ull << 30); }},
    {"a kv without a mode", [](B& b) { kv(b, "store").clear_mode(); }},
    {"a kv of an unknown mode", [](B& b) { kv(b, "store").set_mode(static_cast<pb::KvMode>(7)); }},
    {"a kv without durability", [](B& b) { kv(b, "store").clear_durability(); }},
    {"an interval that means nothing", [](B& b) { kv(b, "store").set_interval_ms(1000); }},
    {"no interval", [](B& b) { kv(b, "ids").set_interval_ms(0); }},
    {"a kv without history", [](B& b) { kv(b, "store").clear_history(); }},
    {"a history of nothing", [](B& b) { kv(b, "store").mutable_history()->set_amount(0); }},
    {"a history for an age", [](B& b) { kv(b, "ids").mutable_history()->set_amount(~0ull); }},
    {"everything for ever and an amount", [](B& b) { kv(b, "store").mutable_history()->set_keep(pb::KV_KEEP_FOREVER); }},
    {"more copies than the header says", [](B& b) { kv(b, "store").set_min_replicas(2); }},
    {"fewer copies than the header says", [](B& b) { kv(b, "store").set_min_replicas(0); }},
    {"copies that are never fsynced", [](B& b) { kv(b, "store").set_durability(pb::KV_DURABILITY_NONE); }},
    {"an empty password box", [](B& b) { kv(b, "store").mutable_password()->clear_box(); }},
    {"public without a password", [](B& b) { kv(b, "store").clear_password(); }},
    {"a kv without a dialect", [](B& b) { kv(b, "store").clear_dialect(); }},
    {"a kv at port 0", [](B& b) { kv(b, "store").set_port(0); }},
    {"a kv at port 65536", [](B& b) { kv(b, "store").set_port(65536); }},
    {"another protocol", [](B& b) { workload(b, "site").mutable_publish()->set_protocol("udp"); }},
};

}  // namespace

TEST_CASE("a header that breaks any rule is refused") {
  const Compiled good = compiled(kEverything);
  REQUIRE(validate_header(good.header).has_value());
  for (const HeaderLie& lie : kHeaderLies) {
    CAPTURE(std::string(lie.what));
    pb::ContractHeader header = good.header;
    lie.tell(header);
    REQUIRE_NE(wire::encode(header), good.header_bytes);
    Result<pb::ContractHeader> decoded = decode_header(wire::encode(header));
    CHECK_FALSE(decoded.has_value());
    if (!decoded) CHECK_EQ(decoded.error().code, Code::Invalid);
  }
}

TEST_CASE("a body that breaks any rule or disagrees with the header is refused") {
  const Compiled good = compiled(kEverything);
  for (const BodyLie& lie : kBodyLies) {
    CAPTURE(std::string(lie.what));
    pb::ContractBody body = good.body;
    lie.tell(body);
    Bytes bytes = wire::encode(body);
    REQUIRE_NE(bytes, good.body_bytes);
    pb::ContractHeader header = good.header;
    header.set_body_hash(crypto::blake2b(bytes).bytes());
    CHECK_FALSE(decode_body(header, bytes).has_value());
  }
}

TEST_CASE("a header that disagrees with the body is refused with the body") {
  const Compiled good = compiled(kEverything);
  const HeaderLie lies[] = {
      {"a claim less", [](H& h) { facets(h, "web").mutable_claims()->RemoveLast(); }},
      {"a claim more", [](H& h) { facets(h, "web").add_claims("udp/99"); }},
      {"a port claimed by another", [](H& h) { facets(h, "cache").add_claims("tcp/22"); }},
      {"not exclusive", [](H& h) {
         for (const char* name : {"db", "data", "logs"}) facets(h, name).set_exclusive(false);
       }},
      {"health", [](H& h) { facets(h, "web").set_has_health(false); }},
      {"another kind's name", [](H& h) { facets(h, "web").set_kind("volume"); }},
      {"less disk than the volume has", [](H& h) { facets(h, "data").mutable_demand()->set_disk_bytes(1); }},
      {"a publication that is placed", [](H& h) { facets(h, "site").set_replicas(1); }},
      {"a network that is placed", [](H& h) { facets(h, "front").mutable_demand()->set_cpu_milli(1); }},
      {"a space without a network", [](H& h) {
         pb::AddressSpace& space = *h.add_spaces();
         space.set_name("zone");
         space.set_range("10.99.0.0/16");
       }},
      {"secrets", [](H& h) { h.set_sealed_secrets(false); }},
      {"a kv that is no set", [](H& h) { facets(h, "store").clear_set(); }},
      {"a kv with other copies", [](H& h) { facets(h, "store").mutable_set()->set_copies(3); }},
      {"an exclusive kv with followers", [](H& h) { facets(h, "store").set_exclusive(true); }},
      {"a lone kv that is not exclusive", [](H& h) { facets(h, "ids").set_exclusive(false); }},
      {"a kv with followers that waits", [](H& h) { facets(h, "store").set_on_node_loss(pb::NODE_LOSS_WAIT); }},
      {"a lone kv that moves", [](H& h) { facets(h, "ids").set_on_node_loss(pb::NODE_LOSS_MOVE); }},
      {"members on one node", [](H& h) { facets(h, "store").mutable_placement()->set_spread(pb::SPREAD_PREFER); }},
      {"two members down at once", [](H& h) { facets(h, "store").mutable_update()->set_max_unavailable(2); }},
      {"a kv without health", [](H& h) { facets(h, "store").set_has_health(false); }},
      {"a kv with less disk", [](H& h) { facets(h, "store").mutable_demand()->set_disk_bytes(1 << 20); }},
      {"a kv without memory", [](H& h) { facets(h, "store").mutable_demand()->set_memory_bytes(0); }},
      {"a kv in no network", [](H& h) { facets(h, "ids").clear_spaces(); }},
      {"a kv whose port nobody claims", [](H& h) { facets(h, "store").clear_claims(); }},
      {"no memory", [](H& h) { facets(h, "web").mutable_demand()->set_memory_bytes(0); }},
  };
  for (const HeaderLie& lie : lies) {
    CAPTURE(std::string(lie.what));
    pb::ContractHeader header = good.header;
    lie.tell(header);
    CHECK(validate_header(header).has_value());
    CHECK_FALSE(decode_body(header, good.body_bytes).has_value());
  }
}

TEST_CASE("a body with another hash is corrupt") {
  const Compiled good = compiled(kEverything);
  Bytes bytes = good.body_bytes;
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  CHECK_EQ(decode_body(good.header, bytes).error().code, Code::Corrupt);
}

TEST_CASE("no changed byte of a header goes unnoticed: it is refused or has another hash and other bytes") {
  const Compiled good = compiled(kEverything);
  std::mt19937_64 random(20'26);
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes = good.header_bytes;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (bytes == good.header_bytes) continue;
    Result<pb::ContractHeader> decoded = decode_header(bytes);
    if (!decoded) continue;
    CHECK_EQ(wire::encode(*decoded), bytes);
    CHECK_NE(header_hash(bytes), header_hash(good.header_bytes));
  }
}

TEST_CASE("cut-off, oversized and empty headers are refused") {
  const Compiled good = compiled(kEverything);
  for (size_t length = 0; length < good.header_bytes.size(); length += 7) {
    CHECK_FALSE(decode_header(BytesView(good.header_bytes).substr(0, length)).has_value());
  }
  CHECK_FALSE(decode_header(Bytes(kHeaderBytesMax + 1, '\n')).has_value());
}

TEST_CASE("a contract's id is the hash of owner and nonce") {
  const Compiled good = compiled(kEverything);
  CompileContext with = context();
  CHECK_EQ(contract_id(good.header), contract_id(with.owner, with.nonce));
  CHECK_EQ(contract_id(good.header).view(), crypto::blake2b(with.owner.bytes() + with.nonce).view());
  CHECK_NE(contract_id(with.owner, "0123456789abcdeg"), contract_id(with.owner, with.nonce));
}
