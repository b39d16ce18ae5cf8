// Signed bytes of networks that people join and of publications at gateways, as an enemy would write them.
#include <doctest/doctest.h>

#include <functional>

#include "contract/header.h"
#include "contract/test_fixture.h"
#include "crypto/hash.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

namespace {

using H = pb::ContractHeader;
using B = pb::ContractBody;

template <typename List>
auto& named(List& list, std::string_view name) {
  for (auto& found : list) {
    if (found.name() == name) return found;
  }
  throw std::runtime_error("there is no " + std::string(name));
}
pb::Facets& facets(H& header, std::string_view name) { return named(*header.mutable_workloads(), name); }
pb::AddressSpace& space(H& header, std::string_view name) { return named(*header.mutable_spaces(), name); }
pb::NetworkBody& network(B& body, std::string_view name) {
  return *named(*body.mutable_workloads(), name).mutable_network();
}
pb::PublishBody& publish(B& body, std::string_view name) {
  return *named(*body.mutable_workloads(), name).mutable_publish();
}
pb::Site& site(B& body, std::string_view name) { return *publish(body, name).mutable_site(); }
pb::Route& route(B& body, std::string_view name) { return *site(body, name).mutable_routes(0); }

template <typename Message>
struct ReachLie {
  const char* what;
  std::function<void(Message&)> tell;
};

// The ledger refuses these.
const ReachLie<H> kHeaderLies[] = {
    {"a public name with a capital", [](H& h) { facets(h, "plain").set_names(0, "Plain"); }},
    {"a public name of two letters", [](H& h) { facets(h, "plain").set_names(0, "ab"); }},
    {"a public name of 41 letters", [](H& h) { facets(h, "plain").set_names(0, std::string(41, 'a')); }},
    {"a public name with a hyphen first", [](H& h) { facets(h, "plain").set_names(0, "-plain"); }},
    {"a public name with a hyphen last", [](H& h) { facets(h, "plain").set_names(0, "plain-"); }},
    {"a public name with a dot", [](H& h) { facets(h, "plain").set_names(0, "plain.org"); }},
    {"a public name that looks like another", [](H& h) { facets(h, "plain").set_names(0, "xn--plin-6qa"); }},
    {"public names unsorted", [](H& h) { facets(h, "shop").mutable_names()->SwapElements(0, 1); }},
    {"a public name twice", [](H& h) { facets(h, "shop").set_names(0, "shop"); }},
    {"a public name of two workloads", [](H& h) { facets(h, "plain").set_names(0, "shop"); }},
    {"17 public names",
     [](H& h) {
       facets(h, "plain").clear_names();
       for (int i = 0; i < 17; ++i) facets(h, "plain").add_names("name" + std::to_string(100 + i));
     }},
    {"members without devices", [](H& h) { space(h, "back").set_devices(false); }},
    {"members unsorted", [](H& h) { space(h, "back").mutable_members()->SwapElements(0, 1); }},
    {"a member twice", [](H& h) { space(h, "back").set_members(0, space(h, "back").members(1)); }},
    {"a member without a key", [](H& h) { space(h, "back").set_members(0, "ida"); }},
    {"the owner as a member",
     [](H& h) {
       space(h, "back").clear_members();
       space(h, "back").add_members(h.owner());
     }},
    {"65 members",
     [](H& h) {
       space(h, "back").clear_members();
       for (int i = 0; i < 65; ++i) space(h, "back").add_members(std::string(31, 'm') + static_cast<char>('!' + i));
     }},
    {"more gateways than addresses",
     [](H& h) {
       facets(h, "shop").set_replicas(16);
       space(h, "back").set_range("10.7.0.0/28");
     }},
};

// The header is valid without its body.
const ReachLie<H> kDisagreements[] = {
    {"devices without an access point", [](H& h) { space(h, "lan").set_devices(true); }},
    {"an access point without devices", [](H& h) { space(h, "front").set_devices(false); }},
    {"an access point that is not placed", [](H& h) { facets(h, "front").set_replicas(0); }},
    {"an access point on hidden nodes", [](H& h) { facets(h, "front").mutable_placement()->clear_labels(); }},
    {"two access points on a node", [](H& h) { facets(h, "back").mutable_placement()->set_spread(pb::SPREAD_PACK); }},
    {"an access point that claims nothing", [](H& h) { facets(h, "front").clear_claims(); }},
    {"an access point that claims another port", [](H& h) { facets(h, "front").set_claims(0, "udp/1"); }},
    {"an access point outside its network", [](H& h) { facets(h, "front").clear_spaces(); }},
    {"an access point in two networks",
     [](H& h) {
       facets(h, "front").clear_spaces();
       facets(h, "front").add_spaces("back");
       facets(h, "front").add_spaces("front");
     }},
    {"an access point that waits for its node", [](H& h) { facets(h, "front").set_on_node_loss(pb::NODE_LOSS_WAIT); }},
    {"an access point that costs nothing", [](H& h) { facets(h, "front").mutable_demand()->clear_memory_bytes(); }},
    {"a network with a public name", [](H& h) { facets(h, "front").add_names("front"); }},
    {"a container with a public name", [](H& h) { facets(h, "web").add_names("web"); }},
    {"a site without its names", [](H& h) { facets(h, "shop").clear_names(); }},
    {"a site with another name", [](H& h) { facets(h, "plain").set_names(0, "plane"); }},
    {"a site at no gateways", [](H& h) { facets(h, "plain").mutable_placement()->clear_labels(); }},
    {"a site at 17 gateways", [](H& h) { facets(h, "plain").set_replicas(17); }},
    {"a site that is not placed", [](H& h) { facets(h, "plain").set_replicas(0); }},
    {"a site whose gateways share a node",
     [](H& h) { facets(h, "plain").mutable_placement()->set_spread(pb::SPREAD_PREFER); }},
    {"a site that claims a port", [](H& h) { facets(h, "plain").add_claims("tcp/22"); }},
    {"a raw port that is not claimed", [](H& h) { facets(h, "sql").clear_claims(); }},
    {"a raw port that claims another", [](H& h) { facets(h, "sql").set_claims(0, "tcp/22"); }},
    {"a site in no network", [](H& h) { facets(h, "plain").clear_spaces(); }},
    {"a site in a network of nobody it leads to", [](H& h) { facets(h, "plain").add_spaces("lan"); }},
    {"a site that is exclusive", [](H& h) { facets(h, "plain").set_exclusive(true); }},
    {"a site that is a set", [](H& h) { facets(h, "plain").mutable_set()->set_copies(1); }},
    {"something unencrypted in two farms", [](H& h) { facets(h, "api").mutable_placement()->add_farms("other"); }},
    {"something on a bridge that its nodes may not have",
     [](H& h) { facets(h, "api").mutable_placement()->mutable_labels(0)->set_value("no"); }},
    {"something unencrypted anywhere", [](H& h) { facets(h, "api").mutable_placement()->clear_farms(); }},
};

const ReachLie<B> kBodyLies[] = {
    {"encryption unset beside rules", [](B& b) { network(b, "back").clear_encryption(); }},
    {"encryption unset beside a bridge",
     [](B& b) {
       network(b, "lan").clear_encryption();
       network(b, "lan").clear_restricted();
     }},
    {"encryption nobody knows", [](B& b) { network(b, "back").set_encryption(static_cast<pb::Encryption>(9)); }},
    {"an encrypted bridge", [](B& b) { network(b, "lan").set_encryption(pb::ENCRYPTION_WIREGUARD); }},
    {"a bridge's name", [](B& b) { network(b, "lan").set_bridge("eth0; reboot"); }},
    {"rules of what is not restricted", [](B& b) { network(b, "back").clear_restricted(); }},
    {"a rule for nobody", [](B& b) { network(b, "back").mutable_allow(0)->clear_from(); }},
    {"a rule for a ghost", [](B& b) { network(b, "back").mutable_allow(0)->set_to("ghost"); }},
    {"a rule for somebody elsewhere",
     [](B& b) {
       pb::Allow& rule = *network(b, "lan").add_allow();
       rule.set_from("web");
       rule.set_to("api");
     }},
    {"a rule for devices where none may join",
     [](B& b) {
       pb::Allow& rule = *network(b, "lan").add_allow();
       rule.set_from("devices");
       rule.set_to("api");
     }},
    {"a rule for a device without a name", [](B& b) { network(b, "back").mutable_allow(2)->set_from("device:"); }},
    {"a rule for a device named to break out",
     [](B& b) { network(b, "back").mutable_allow(2)->set_from("device:a } drop"); }},
    {"a rule from the world", [](B& b) { network(b, "back").mutable_allow(0)->set_from("world"); }},
    {"a rule of devices to the world",
     [](B& b) {
       network(b, "back").mutable_allow(2)->set_from("devices");
       network(b, "back").mutable_allow(2)->set_to("world");
     }},
    {"a rule of ports without a protocol", [](B& b) { network(b, "back").mutable_allow(0)->set_port_first(1); }},
    {"a rule of a protocol", [](B& b) { network(b, "back").mutable_allow(1)->set_protocol("icmp"); }},
    {"a rule of a protocol without ports", [](B& b) { network(b, "back").mutable_allow(0)->set_protocol("tcp"); }},
    {"a rule of ports backwards", [](B& b) { network(b, "back").mutable_allow(1)->set_port_last(79); }},
    {"a rule of port 65536", [](B& b) { network(b, "back").mutable_allow(1)->set_port_last(65536); }},
    {"a rule twice", [](B& b) { *network(b, "back").add_allow() = network(b, "back").allow(0); }},
    {"257 rules",
     [](B& b) {
       for (int i = 0; i < 257; ++i) {
         pb::Allow& rule = *network(b, "back").add_allow();
         rule = network(b, "back").allow(1);
         rule.set_port_last(static_cast<uint32_t>(1000 + i));
       }
     }},
    {"no access point", [](B& b) { network(b, "front").clear_access(); }},
    {"an access point at another port", [](B& b) { network(b, "front").mutable_access()->set_port(4444); }},
    {"an access point at the mesh's port", [](B& b) { network(b, "front").mutable_access()->set_port(51820); }},
    {"an access point without a key", [](B& b) { network(b, "front").mutable_access()->clear_private_key(); }},
    {"an access point with half a public key",
     [](B& b) { network(b, "front").mutable_access()->set_public_key("half"); }},
    {"a site that is a port of nodes too", [](B& b) { publish(b, "plain").set_port(80); }},
    {"a site with a target of nodes too", [](B& b) { publish(b, "plain").set_target("web"); }},
    {"a site of no mode", [](B& b) { site(b, "plain").clear_mode(); }},
    {"a site of another mode", [](B& b) { site(b, "plain").set_mode(pb::SITE_TLS); }},
    {"a site without exposure", [](B& b) { site(b, "plain").clear_exposure(); }},
    {"a site nobody can name", [](B& b) { site(b, "sni").clear_domains(); }},
    {"a domain with a capital", [](B& b) { site(b, "sni").set_domains(0, "Sni.example.org"); }},
    {"a domain with a wildcard", [](B& b) { site(b, "sni").set_domains(0, "*.example.org"); }},
    {"a domain with a space", [](B& b) { site(b, "sni").set_domains(0, "sni.example.org acl"); }},
    {"a domain with a newline", [](B& b) { site(b, "sni").set_domains(0, "sni.example.org\n"); }},
    {"a domain of one label", [](B& b) { site(b, "sni").set_domains(0, "localhost"); }},
    {"a domain of ours", [](B& b) { site(b, "sni").set_domains(0, "web.reach.internal"); }},
    {"a domain with the root's dot", [](B& b) { site(b, "sni").set_domains(0, "sni.example.org."); }},
    {"an address as a domain", [](B& b) { site(b, "sni").set_domains(0, "192.0.2.7"); }},
    {"domains unsorted", [](B& b) { site(b, "shop").mutable_domains()->SwapElements(0, 1); }},
    {"another site's domain", [](B& b) { site(b, "sni").set_domains(0, "shop.example.org"); }},
    {"a name and a raw port", [](B& b) { site(b, "plain").set_port(81); }},
    {"the gateways' own port", [](B& b) { site(b, "sql").set_port(443); }},
    {"a raw port that is not claimed", [](B& b) { site(b, "sql").set_port(22); }},
    {"tls of a raw port", [](B& b) { *site(b, "sql").mutable_tls() = site(b, "own").tls(); }},
    {"tls without a certificate", [](B& b) { site(b, "own").mutable_tls()->clear_certificate(); }},
    {"a chain that is none", [](B& b) { site(b, "own").mutable_tls()->mutable_supplied()->set_chain("chain"); }},
    {"a key in the chain",
     [](B& b) {
       site(b, "own").mutable_tls()->mutable_supplied()->mutable_chain()->append("-----BEGIN PRIVATE KEY-----\n");
     }},
    {"a supplied certificate without a key",
     [](B& b) { site(b, "own").mutable_tls()->mutable_supplied()->clear_private_key(); }},
    {"an authority without TLS",
     [](B& b) { site(b, "shop").mutable_tls()->mutable_acme()->set_directory("http://localhost"); }},
    {"an authority with a quote",
     [](B& b) { site(b, "shop").mutable_tls()->mutable_acme()->set_directory("https://a'b/"); }},
    {"an email with a space",
     [](B& b) { site(b, "shop").mutable_tls()->mutable_acme()->set_email("it @example.org"); }},
    {"a thumbprint of other letters",
     [](B& b) { site(b, "shop").mutable_tls()->mutable_acme()->set_account_thumbprint(std::string(43, '/')); }},
    {"no thumbprint", [](B& b) { site(b, "shop").mutable_tls()->mutable_acme()->clear_account_thumbprint(); }},
    {"no account key", [](B& b) { site(b, "shop").mutable_tls()->mutable_acme()->clear_account_key(); }},
    {"hsts for ever", [](B& b) { site(b, "shop").mutable_tls()->set_hsts_s(~0ull); }},
    {"no route", [](B& b) { site(b, "plain").clear_routes(); }},
    {"two routes of a raw port", [](B& b) { *site(b, "sql").add_routes() = site(b, "sql").routes(0); }},
    {"the shortest path first", [](B& b) { site(b, "shop").mutable_routes()->SwapElements(0, 2); }},
    {"a path twice", [](B& b) { site(b, "shop").mutable_routes(0)->set_path("/api"); }},
    {"a path that climbs", [](B& b) { route(b, "plain").set_path("/a/../b"); }},
    {"a path with a slash at its end", [](B& b) { route(b, "plain").set_path("/a/"); }},
    {"a path with a quote", [](B& b) { route(b, "plain").set_path("/a'"); }},
    {"a path with a space", [](B& b) { route(b, "plain").set_path("/ if TRUE"); }},
    {"a path of a raw port", [](B& b) { route(b, "sql").set_path("/"); }},
    {"no path of a site", [](B& b) { route(b, "plain").clear_path(); }},
    {"no balance", [](B& b) { route(b, "plain").clear_balance(); }},
    {"connections of UDP", [](B& b) { route(b, "dns").set_balance(pb::BALANCE_LEAST_CONNECTIONS); }},
    {"UDP by source", [](B& b) { route(b, "dns").set_balance(pb::BALANCE_SOURCE); }},
    {"a sticky raw port", [](B& b) { route(b, "sql").set_sticky(true); }},
    {"a check that splits a request", [](B& b) { route(b, "plain").set_check_path("/ HTTP/1.1\r\nX: y"); }},
    {"a check that never comes", [](B& b) { route(b, "plain").set_check_ms(~0ull); }},
    {"a check of UDP", [](B& b) { route(b, "dns").set_check_ms(1000); }},
    {"the prefix of nothing taken off", [](B& b) { route(b, "plain").set_strip(true); }},
    {"no back end", [](B& b) { route(b, "plain").clear_backends(); }},
    {"back ends unsorted", [](B& b) { site(b, "shop").mutable_routes(1)->mutable_backends()->SwapElements(0, 1); }},
    {"a back end twice", [](B& b) { *route(b, "plain").add_backends() = route(b, "plain").backends(0); }},
    {"a back end of no weight", [](B& b) { route(b, "plain").mutable_backends(0)->set_weight(0); }},
    {"a back end of weight 257", [](B& b) { route(b, "plain").mutable_backends(0)->set_weight(257); }},
    {"a back end that is not there", [](B& b) { route(b, "plain").mutable_backends(0)->set_target("ghost"); }},
    {"a back end that is a network", [](B& b) { route(b, "plain").mutable_backends(0)->set_target("back"); }},
    {"a site of a database",
     [](B& b) {
       route(b, "plain").mutable_backends(0)->set_target("store");
       route(b, "plain").mutable_backends(0)->set_port(6379);
     }},
    {"a port the back end has not", [](B& b) { route(b, "plain").mutable_backends(0)->set_port(81); }},
    {"a UDP port by HTTP",
     [](B& b) {
       route(b, "plain").mutable_backends(0)->set_target("api");
       route(b, "plain").mutable_backends(0)->set_port(53);
     }},
    {"no time to connect", [](B& b) { site(b, "plain").set_connect_ms(0); }},
    {"idle for an age", [](B& b) { site(b, "plain").set_idle_ms(~0ull); }},
    {"headers of raw TCP", [](B& b) { site(b, "sql").set_request_ms(1000); }},
    {"idle UDP", [](B& b) { site(b, "dns").set_idle_ms(1000); }},
    {"a body of passed-through TLS", [](B& b) { site(b, "sni").set_body_max_bytes(1); }},
    {"retries for ever", [](B& b) { site(b, "plain").set_retries(~0u); }},
    {"ranges unsorted", [](B& b) { site(b, "shop").mutable_allow()->SwapElements(0, 1); }},
    {"a range with host bits", [](B& b) { site(b, "shop").set_allow(0, "10.0.0.1/8"); }},
    {"a range not as it is signed", [](B& b) { site(b, "shop").set_allow(2, "2001:db8:0::/32"); }},
    {"a range that is none", [](B& b) { site(b, "shop").set_allow(0, "10.0.0.0/8 or TRUE"); }},
};

}  // namespace

TEST_CASE("a header with wrong names or members is refused") {
  const Compiled good = compiled(kReach);
  for (const auto& lie : kHeaderLies) {
    CAPTURE(std::string(lie.what));
    pb::ContractHeader header = good.header;
    lie.tell(header);
    REQUIRE_NE(wire::encode(header), good.header_bytes);
    CHECK_FALSE(decode_header(wire::encode(header)).has_value());
  }
}

TEST_CASE("a header that disagrees with its networks and sites is refused with the body") {
  const Compiled good = compiled(kReach);
  for (const auto& lie : kDisagreements) {
    CAPTURE(std::string(lie.what));
    pb::ContractHeader header = good.header;
    lie.tell(header);
    REQUIRE_NE(wire::encode(header), good.header_bytes);
    CHECK_MESSAGE(validate_header(header).has_value(), lie.what);
    CHECK_FALSE(decode_body(header, good.body_bytes).has_value());
  }
}

TEST_CASE("networks and sites that break any rule are refused") {
  const Compiled good = compiled(kReach);
  for (const auto& lie : kBodyLies) {
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
