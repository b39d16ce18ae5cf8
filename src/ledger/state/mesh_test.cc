// Numbers, keys and relays of nodes.
#include <doctest/doctest.h>

#include <utility>

#include "ledger/state/addresses.h"
#include "ledger/state/test_books.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

std::string key_seeds(const TestChain& chain, const char* node) {
  std::string order;
  for (const pb::MeshKey& key : chain.node(node).mesh_keys()) {
    order += std::to_string(key.vni()) + "/" + std::to_string(key.slot()) + " ";
  }
  return order;
}

void become_relay(TestChain& chain, const std::string& node) {
  chain.admit("ann", "farm", node, [](pb::AdmitNode& admission) { admission.mutable_addresses()->set_relay(true); });
  chain.publish(node, {{0, 0, node, 1}, {0, 2, node + "relay", 2}});
}

}  // namespace

TEST_CASE("each admitted node gets the lowest free number") {
  TestChain chain;
  chain.make_farm(3);
  CHECK_EQ(chain.node("n1").number(), 1);
  CHECK_EQ(chain.node("n3").number(), 3);
  CHECK_EQ(chain.state().get(keys::node_number(3)), test_key("n3").public_key().bytes());
}

TEST_CASE("without a free number a node is admitted and can publish no keys") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  store_number(chain.state(), keys::next_node_number(), 16'383);
  CHECK(chain.admit("ann", "farm", "n1").ok);
  CHECK(chain.admit("ann", "farm", "n2").ok);
  CHECK_EQ(chain.node("n1").number(), 16'383);
  CHECK_EQ(chain.node("n2").number(), 0);
  CHECK_EQ(chain.publish("n2", {{0, 0, "a", 1}}).code, Code::Exhausted);
}

TEST_CASE("a node that was admitted under the first logic gets its number with its first keys") {
  TestChain chain("test", {1}, 1);
  chain.make_farm(2);
  CHECK_EQ(chain.node("n1").number(), 0);
  CHECK_EQ(chain.publish("n1", {{0, 0, "a", 1}}).code, Code::Unsupported);
  CHECK_EQ(chain.buy("shop").code, Code::Unsupported);
  pb::Parameters wanted = load_parameters(chain.state());
  wanted.set_next_logic_version(2);
  wanted.set_next_logic_height(chain.height() + 2);
  CHECK(chain.run("ann", [&](pb::Transaction& transaction) {
               *transaction.mutable_set_parameters()->mutable_parameters() = wanted;
             }).ok);
  CHECK(chain.publish("n2", {{0, 0, "a", 1}}).ok);
  CHECK_EQ(chain.node("n2").number(), 1);
  CHECK(chain.admit("ann", "farm", "n3").ok);
  CHECK_EQ(chain.node("n3").number(), 2);
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("keys are sorted, whole, unique and bounded") {
  TestChain chain;
  chain.make_farm(2);
  using Keys = std::vector<TestChain::KeyWish>;
  auto code = [&](const Keys& keys) { return chain.publish("n1", keys).code; };
  CHECK_EQ(code({}), Code::Invalid);
  CHECK_EQ(code({{0, 1, "a", 1}, {0, 0, "b", 2}}), Code::Invalid);
  CHECK_EQ(code({{0, 0, "a", 1}, {0, 0, "b", 2}}), Code::Invalid);
  CHECK_EQ(code({{0, 0, "a", 1}, {0, 1, "a", 2}}), Code::Invalid);
  CHECK_EQ(code({{0, 0, "a", 1}, {0, 1, "b", 1}}), Code::Invalid);
  CHECK_EQ(code({{0, 0, "a", 0}}), Code::Invalid);
  CHECK_EQ(code({{0, 0, "a", 65536}}), Code::Invalid);
  CHECK_EQ(code({{0, 3, "a", 1}}), Code::Invalid);
  CHECK_EQ(code({{5000, 2, "a", 1}}), Code::Invalid);
  CHECK_EQ(code({{1u << 24, 0, "a", 1}}), Code::Invalid);
  Keys many;
  for (uint32_t i = 0; i < 65; ++i) many.push_back({i, 0, std::to_string(i), i + 1});
  CHECK_EQ(code(many), Code::Invalid);
  many.pop_back();
  CHECK(chain.publish("n1", many).ok);
  for (const Bytes& key : {Bytes(31, 'x'), Bytes(32, '\0')}) {
    CHECK_EQ(chain.run("n2", [&](pb::Transaction& transaction) {
               pb::MeshKey& mesh_key = *transaction.mutable_publish_keys()->add_keys();
               mesh_key.set_key(key);
               mesh_key.set_port(1);
             }).code, Code::Invalid);
  }
  CHECK_EQ(chain.run("n2", [&](pb::Transaction& transaction) {
             *transaction.mutable_publish_keys()->add_keys() = TestChain::mesh_key(0, 0, "z", 1);
             transaction.mutable_publish_keys()->set_mesh_secret_id("short");
           }).code, Code::Invalid);
}

TEST_CASE("a key belongs to the node that published it, until it publishes another") {
  TestChain chain;
  chain.make_farm(2);
  CHECK(chain.publish("n1", {{0, 0, "a", 1}}).ok);
  CHECK_EQ(chain.publish("n2", {{0, 0, "a", 1}}).code, Code::AlreadyExists);
  CHECK(chain.publish("n1", {{0, 0, "b", 1}}).ok);
  CHECK(chain.publish("n2", {{0, 0, "a", 1}}).ok);
  CHECK_EQ(chain.publish("bob", {{0, 0, "c", 1}}).code, Code::Denied);
}

TEST_CASE("keys are listed by network, the newest of a network last") {
  TestChain chain;
  chain.make_farm(1);
  chain.publish("n1", {{0, 1, "old", 2}, {5000, 0, "own", 3}});
  chain.publish("n1", {{0, 0, "new", 1}, {0, 1, "old", 2}, {5000, 0, "own", 3}});
  CHECK_EQ(key_seeds(chain, "n1"), "0/1 0/0 5000/0 ");
  chain.publish("n1", {{0, 0, "new", 1}, {0, 1, "newer", 2}, {5000, 0, "own", 3}});
  CHECK_EQ(key_seeds(chain, "n1"), "0/0 0/1 5000/0 ");
}

TEST_CASE("new keys make the neighbours read again; the same ones change nothing") {
  TestChain chain;
  chain.make_farm(2);
  pb::Facets web = test_facets("web", 2);
  pb::ContractHeader header = chain.deploy("c", {web});
  const uint64_t before = chain.contract(header).revision();
  const std::string node = chain.place_of(header, "web", 0);
  CHECK(chain.publish(node, {{0, 0, "a", 1}}).ok);
  const uint64_t after = chain.contract(header).revision();
  CHECK_GT(after, before);
  CHECK_EQ(chain.assignment(chain.place_of(header, "web", 1)).contracts(0).revision(), after);
  CHECK(chain.publish(node, {{0, 0, "a", 1}}).ok);
  CHECK_EQ(chain.contract(header).revision(), after);
}

TEST_CASE("a node publishes seven sets at once, then one in 10 s") {
  TestChain chain;
  chain.make_farm(1);
  int taken = 0;
  while (chain.publish("n1", {{0, 0, "k" + std::to_string(taken), 1}}, 1).ok) ++taken;
  CHECK_EQ(taken, 7);
  CHECK_EQ(chain.publish("n1", {{0, 0, "again", 1}}, 1000).code, Code::Exhausted);
  CHECK(chain.publish("n1", {{0, 0, "again", 1}}, 10'000).ok);
  CHECK_EQ(chain.publish("n1", {{0, 0, "and again", 1}}, 1).code, Code::Exhausted);
}

TEST_CASE("a fenced node publishes no keys") {
  TestChain chain;
  chain.make_farm(1);
  chain.suspect("n1");
  CHECK_EQ(chain.publish("n1", {{0, 0, "a", 1}}).code, Code::Denied);
}

TEST_CASE("relays are the nodes that offer it, are online and have a key for it") {
  TestChain chain;
  chain.make_farm(2);
  become_relay(chain, "r1");
  become_relay(chain, "r2");
  CHECK_EQ(chain.relays().nodes_size(), 2);
  chain.suspect("r1");
  CHECK_EQ(chain.relays().nodes_size(), 1);
  CHECK_EQ(chain.relays().nodes(0), test_key("r2").public_key().bytes());
  chain.rejoin("r1");
  CHECK_EQ(chain.relays().nodes_size(), 2);
  CHECK(chain.publish("r2", {{0, 0, "r2", 1}}).ok);  // its key as a relay is gone
  CHECK_EQ(chain.relays().nodes_size(), 1);
  CHECK(chain.publish("n1", {{0, 0, "n1", 1}, {0, 2, "n1relay", 2}}).ok);  // has such a key, offers nothing
  CHECK_EQ(chain.relays().nodes_size(), 1);
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("who meets at relays is told when one comes, goes or changes, and of nothing else") {
  TestChain chain;
  chain.make_farm(2);
  auto is_new = [&, last = uint64_t{0}]() mutable { return std::exchange(last, chain.relays().revision()) != last; };
  become_relay(chain, "r1");
  CHECK(is_new());
  CHECK_EQ(chain.relays().revision(), chain.height());
  chain.publish("n1", {{0, 0, "n1", 1}});
  chain.publish("r1", {{0, 0, "r1", 1}, {0, 2, "r1relay", 2}});  // the same
  CHECK_FALSE(is_new());
  CHECK(chain.publish("r1", {{0, 0, "r1", 1}, {0, 2, "another", 2}}).ok);
  CHECK(is_new());
  chain.suspect("r1");
  CHECK(is_new());
  chain.rejoin("r1");
  CHECK(is_new());
}

TEST_CASE("relays are told of nodes with a key for them, by the height of each one's news") {
  TestChain chain;
  chain.make_farm(1);
  auto hide = [](pb::AdmitNode& admission) { admission.mutable_addresses()->set_hidden(true); };
  for (const char* node : {"h1", "h2"}) chain.admit("ann", "farm", node, hide);
  auto height_of = [&](const char* node) {
    return load_number(chain.state(), keys::guest(test_key(node).public_key())).value_or(0);
  };
  auto revision = [&] { return load_number(chain.state(), keys::guests_revision()).value_or(0); };
  become_relay(chain, "r1");               // it is one
  chain.publish("h1", {{0, 0, "h1", 1}});  // no key for relays
  CHECK_EQ(revision(), 0);
  chain.publish("h1", {{0, 0, "h1", 1}, {0, 2, "h1r", 2}});
  CHECK_EQ(height_of("h1"), chain.height());
  CHECK_EQ(revision(), chain.height());
  chain.publish("h2", {{0, 0, "h2", 1}, {0, 2, "h2r", 2}});
  CHECK_LT(height_of("h1"), height_of("h2"));
  CHECK_EQ(revision(), height_of("h2"));
  chain.suspect("h1");
  CHECK_EQ(revision(), height_of("h2"));  // it still calls its relays, perhaps
  chain.rejoin("h1");
  CHECK_EQ(height_of("h1"), revision());
  chain.publish("h1", {{0, 0, "h1", 1}});
  CHECK_EQ(height_of("h1"), 0);
  CHECK_EQ(revision(), chain.height());
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("a node that moves says so with its keys, and what it is to others stays as it joined") {
  TestChain chain;
  chain.make_farm(1);
  chain.admit("ann", "farm", "r1", [](pb::AdmitNode& admission) {
    admission.mutable_addresses()->set_uplink("192.0.2.1");
    admission.mutable_addresses()->set_relay(true);
  });
  auto publish = [&](const std::function<void(pb::NodeAddresses&)>& move) {
    return chain.run("r1", [&](pb::Transaction& transaction) {
      pb::PublishKeys& action = *transaction.mutable_publish_keys();
      *action.add_keys() = TestChain::mesh_key(0, 0, "r1", 1);
      *action.add_keys() = TestChain::mesh_key(0, 2, "r1r", 2);
      *action.mutable_addresses() = chain.node("r1").addresses();
      move(*action.mutable_addresses());
    });
  };
  CHECK(publish([](auto&) {}).ok);
  pb::ContractHeader header = chain.deploy("c", {test_facets("web", 2)});
  const uint64_t before = chain.contract(header).revision();
  const uint64_t relays_before = chain.relays().revision();
  CHECK(publish([](auto&) {}).ok);
  CHECK_EQ(chain.contract(header).revision(), before);
  CHECK(publish([](auto& addresses) { addresses.set_uplink("192.0.2.9"), addresses.add_endpoints("2001:db8::9"); }).ok);
  CHECK_EQ(chain.node("r1").addresses().uplink(), "192.0.2.9");
  CHECK_EQ(chain.node("r1").addresses().endpoints(0), "2001:db8::9");
  CHECK(chain.node("r1").addresses().relay());
  CHECK_GT(chain.relays().revision(), relays_before);
  CHECK_GT(chain.contract(header).revision(), before);
  CHECK_EQ(publish([](auto& addresses) { addresses.set_relay(false); }).code, Code::Invalid);
  CHECK_EQ(publish([](auto& addresses) { addresses.set_relay(false), addresses.set_hidden(true); }).code, Code::Invalid);
  CHECK_EQ(publish([](auto& addresses) { addresses.mutable_gateway()->set_domain("gw.example"); }).code, Code::Invalid);
  CHECK_EQ(publish([](auto& addresses) { addresses.set_uplink("nowhere"); }).code, Code::Invalid);
  CHECK_EQ(publish([](auto& addresses) { addresses.set_backplane(""), addresses.set_uplink(""); }).code, Code::Invalid);
  CHECK_EQ(chain.node("r1").addresses().uplink(), "192.0.2.9");
  CHECK(chain.publish("r1", {{0, 0, "new", 1}, {0, 2, "r1r", 2}}, 60'000).ok);  // says nothing of addresses
  CHECK_EQ(chain.node("r1").addresses().uplink(), "192.0.2.9");
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("a node without keys says where it is, and needs no number for it") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  store_number(chain.state(), keys::next_node_number(), 16'384);  // all are taken
  CHECK(chain.admit("ann", "farm", "n1").ok);
  CHECK_EQ(chain.node("n1").number(), 0);
  auto move = [&](const std::string& backplane, uint64_t step_ms = 1000) {
    return chain.run("n1", [&](pb::Transaction& transaction) {
      pb::NodeAddresses& addresses = *transaction.mutable_publish_keys()->mutable_addresses();
      addresses = chain.node("n1").addresses();
      addresses.set_backplane(backplane);
    }, step_ms);
  };
  CHECK_EQ(chain.publish("n1", {}).code, Code::Invalid);
  pb::ContractHeader header = chain.deploy("c", {test_facets("web", 1)});
  const uint64_t before = chain.contract(header).revision();
  CHECK(move("10.251.0.9").ok);
  CHECK_EQ(chain.node("n1").addresses().backplane(), "10.251.0.9");
  CHECK_EQ(chain.node("n1").mesh_keys_size(), 0);
  const uint64_t after = chain.contract(header).revision();
  CHECK_GT(after, before);
  CHECK(move("10.251.0.9").ok);  // the same again
  CHECK_EQ(chain.contract(header).revision(), after);
  int taken = 0;
  while (move("10.251.0." + std::to_string(10 + taken), 1).ok) ++taken;
  CHECK_EQ(taken, 6);  // as with keys: seven at once
  CHECK_EQ(Books(chain.state()).error(), "");
}

TEST_CASE("there are at most 64 relays; those that are known stay") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  for (int i = 0; i < 66; ++i) become_relay(chain, "r" + std::to_string(i));
  CHECK_EQ(chain.relays().nodes_size(), 64);
  const Bytes late = test_key("r65").public_key().bytes();
  auto has_late = [&] {
    pb::Relays relays = chain.relays();
    return std::find(relays.nodes().begin(), relays.nodes().end(), late) != relays.nodes().end();
  };
  CHECK_FALSE(has_late());
  chain.suspect("r0");
  CHECK(chain.publish("r65", {{0, 0, "other", 1}, {0, 2, "other relay", 2}}).ok);
  CHECK(has_late());
}

TEST_CASE("addresses say how a node is reached, without contradiction") {
  TestChain chain;
  chain.create_farm("ann", "farm");
  int count = 0;
  auto admit = [&](const std::function<void(pb::NodeAddresses&)>& change) {
    return chain.admit("ann", "farm", "n" + std::to_string(++count),
                       [&](pb::AdmitNode& admission) { change(*admission.mutable_addresses()); });
  };
  auto set_gateway = [](pb::NodeAddresses& addresses) {
    addresses.mutable_gateway()->set_domain("gw.example");
    addresses.mutable_gateway()->set_http_port(80);
    addresses.mutable_gateway()->set_https_port(443);
    addresses.mutable_gateway()->set_tunnel_port(7443);
  };
  CHECK_EQ(admit([](auto& addresses) { addresses.clear_backplane(); }).code, Code::Invalid);
  CHECK(admit([](auto& addresses) { addresses.clear_backplane(), addresses.set_uplink("10.1.0.1"); }).ok);
  CHECK(admit([](auto& addresses) { addresses.add_endpoints("2001:db8::1"), addresses.add_endpoints("192.0.2.1"); }).ok);
  for (const char* wrong : {"", "2001:DB8::1", "2001:db8:0::1", "::", "::1", "fe80::1", "ff02::1", "::ffff:192.0.2.1",
                            "[2001:db8::1]", "2001:db8::1%eth0", "192.0.2.1:51820", "127.0.0.1", "0.0.0.0", "224.0.0.1",
                            "node.example"}) {
    CAPTURE(wrong);
    CHECK_EQ(admit([&](auto& addresses) { addresses.add_endpoints(wrong); }).code, Code::Invalid);
  }
  CHECK_EQ(admit([](auto& a) { a.add_endpoints("192.0.2.1"), a.add_endpoints("192.0.2.1"); }).code, Code::Invalid);
  CHECK_EQ(admit([](auto& addresses) {
             for (int i = 1; i <= 9; ++i) addresses.add_endpoints("192.0.2." + std::to_string(i));
           }).code, Code::Invalid);
  CHECK(admit([](auto& addresses) { addresses.set_hidden(true); }).ok);
  CHECK_EQ(admit([](auto& addresses) { addresses.set_hidden(true), addresses.set_relay(true); }).code, Code::Invalid);
  CHECK(admit(set_gateway).ok);
  CHECK_EQ(admit([&](auto& a) { set_gateway(a), a.set_hidden(true); }).code, Code::Invalid);
  for (const char* domain : {"", ".", "gw.", "GW.example", "-gw.example", "gw_1.example", "gw..example"}) {
    CAPTURE(domain);
    CHECK_EQ(admit([&](auto& a) { set_gateway(a), a.mutable_gateway()->set_domain(domain); }).code, Code::Invalid);
  }
  CHECK_EQ(admit([&](auto& a) { set_gateway(a), a.mutable_gateway()->set_http_port(0); }).code, Code::Invalid);
  CHECK_EQ(admit([&](auto& a) { set_gateway(a), a.mutable_gateway()->set_tunnel_port(443); }).code, Code::Invalid);
}

TEST_CASE("the first logic knows nothing of how nodes are reached") {
  TestChain chain("test", {1}, 1);
  chain.create_farm("ann", "farm");
  auto refused = [&](const std::function<void(pb::NodeAddresses&)>& change) {
    return chain.admit("ann", "farm", "n1", [&](pb::AdmitNode& admission) { change(*admission.mutable_addresses()); });
  };
  CHECK_EQ(refused([](auto& addresses) { addresses.clear_backplane(), addresses.set_uplink("10.1.0.1"); }).code, Code::Invalid);
  CHECK_EQ(refused([](auto& addresses) { addresses.set_hidden(true); }).code, Code::Invalid);
  CHECK_EQ(refused([](auto& addresses) { addresses.set_relay(true); }).code, Code::Invalid);
  CHECK_EQ(refused([](auto& addresses) { addresses.add_endpoints("192.0.2.1"); }).code, Code::Invalid);
  CHECK_EQ(refused([](auto& addresses) { addresses.mutable_gateway(); }).code, Code::Invalid);
}

TEST_CASE("an IPv6 address has one spelling") {
  for (const char* good : {"::", "::1", "1::", "2001:db8::1", "2001:db8:0:1:1:1:1:1", "1:0:0:2::3", "1::2:0:0:3",
                           "1:2:3:4:5:6:7:8", "fd12:3456:789a::a2a:7"}) {
    CAPTURE(good);
    CHECK(is_ipv6(good));
  }
  for (const char* bad : {"", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "01::", "1:2:3:4:5:6:7::",
                          "::2:3:4:5:6:7:8", "12345::", "1:", ":1", "1::2:", "g::", "1::0:0:2", "2001:db8::0:1", "A::"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_ipv6(bad));
  }
}
