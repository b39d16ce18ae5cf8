#include "contract/compile.h"

#include <doctest/doctest.h>
#include <google/protobuf/text_format.h>

#include "contract/header.h"
#include "contract/kinds/network.h"
#include "contract/secret_field.h"
#include "contract/secrets.h"
#include "contract/test_fixture.h"
#include "crypto/web_key.h"
#include "crypto/x25519.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

namespace {

// Boxes and keys that are made are random: the golden text shows only that there is one.
std::string printed(const Compiled& compiled) {
  pb::ContractHeader header = compiled.header;
  pb::ContractBody body = compiled.body;
  if (header.sealed_secrets()) header.set_body_hash("(hash)");
  for (pb::WorkloadBody& workload : *body.mutable_workloads()) {
    each_secret(workload, [](const std::string&, const pb::Secret& secret) { const_cast<pb::Secret&>(secret).set_box("(box)"); });
    if (workload.network().has_access()) workload.mutable_network()->mutable_access()->set_public_key("(key)");
    if (!workload.publish().site().tls().has_acme()) continue;
    workload.mutable_publish()->mutable_site()->mutable_tls()->mutable_acme()->set_account_thumbprint("(thumbprint)");
  }
  std::string header_text, body_text;
  google::protobuf::TextFormat::PrintToString(header, &header_text);
  google::protobuf::TextFormat::PrintToString(body, &body_text);
  return "# header\n" + header_text + "# body\n" + body_text;
}

constexpr std::string_view kSmall = "name: small\nworkloads: {web: {kind: container, image: \"oci:./image\"}}\n";

}  // namespace

TEST_CASE("every default is written out in the signed bytes") {
  CHECK_EQ(printed(compiled(kSmall)), golden(testdata() / "good/small.textproto", printed(compiled(kSmall))));
}

TEST_CASE("every field of the language arrives in header and body") {
  std::string now = printed(compiled(kEverything));
  CHECK_EQ(now, golden(testdata() / "good/everything.textproto", now));
}

TEST_CASE("every field of networks and gateways arrives in header and body") {
  std::string now = printed(compiled(kReach));
  CHECK_EQ(now, golden(testdata() / "good/reach.textproto", now));
}

TEST_CASE("what was signed before networks were encrypted is valid and says the network that it was") {
  std::istringstream lines(read_text(testdata() / "good/small-before-encryption.hex"));
  std::string header_hex, body_hex;
  std::getline(lines, header_hex);
  std::getline(lines, body_hex);
  Result<pb::ContractHeader> header = decode_header(from_hex(header_hex).value());
  REQUIRE_MESSAGE(header.has_value(), header.error().message);
  Result<pb::ContractBody> body = decode_body(*header, from_hex(body_hex).value());
  REQUIRE_MESSAGE(body.has_value(), body.error().message);
  CHECK_EQ(body->workloads(0).network().encryption(), pb::ENCRYPTION_UNSET);
  CHECK_EQ(effective_encryption(body->workloads(0).network()), pb::ENCRYPTION_NONE);
}

TEST_CASE("the bytes of a format never change by accident") {
  Compiled small = compiled(kSmall);
  std::string now = to_hex(small.header_bytes) + "\n" + to_hex(small.body_bytes) + "\n";
  CHECK_EQ(now, golden(testdata() / "good/small.hex", now));
}

TEST_CASE("the recipes of this repository compile") {
  std::filesystem::path recipes = std::filesystem::path(testing::source_tree()) / "recipes";
  for (const char* name : {"hello", "redis", "kv", "site"}) {
    CAPTURE(name);
    Compiled recipe = compiled(read_text(recipes / name / "contract.yaml"));
    CHECK_EQ(recipe.header.name(), name);
    CHECK(decode_header(recipe.header_bytes).has_value());
    CHECK(decode_body(recipe.header, recipe.body_bytes).has_value());
  }
}

TEST_CASE("the reference's examples compile, and its spelled-out defaults are the defaults") {
  std::filesystem::path tree = testing::source_tree();
  std::string page = read_text(tree / "docs/reference/contract.md");
  std::vector<Compiled> examples;
  for (size_t at = page.find("```yaml\n"); at != std::string::npos; at = page.find("```yaml\n", at)) {
    at += 8;
    size_t end = page.find("```", at);
    examples.push_back(compiled(page.substr(at, end - at)));
    at = end + 3;
  }
  REQUIRE_EQ(examples.size(), 9u);
  CHECK_EQ(printed(examples[0]), printed(examples[1]));
  CHECK_EQ(printed(examples[6]), printed(examples[7]));
}

TEST_CASE("compiling twice gives the same bytes") {
  CompileContext with = context();
  with.secret_key = Bytes(32, 'k');
  Compiled first = compiled(kEverything, with);
  with.previous_body = &first.body;
  Compiled second = compiled(kEverything, with);
  CHECK_EQ(second.header_bytes, first.header_bytes);
  CHECK_EQ(second.body_bytes, first.body_bytes);
  CHECK_EQ(compiled(kSmall).header_bytes, compiled(kSmall).header_bytes);
}

TEST_CASE("keys that nobody writes are made once and kept by later versions") {
  CompileContext with = context();
  with.secret_key = Bytes(32, 'k');
  Compiled first = compiled(kReach, with);
  with.previous_body = &first.body;
  CHECK_EQ(compiled(kReach, with).body_bytes, first.body_bytes);
  with.previous_body = nullptr;
  Compiled other = compiled(kReach, with);
  auto access = [](const Compiled& from) { return find_body(from.body, "back")->network().access().public_key(); };
  auto account = [](const Compiled& from) { return find_body(from.body, "shop")->publish().site().tls().acme().account_thumbprint(); };
  CHECK_NE(access(other), access(first));
  CHECK_NE(account(other), account(first));
}

TEST_CASE("the public parts are those of the sealed keys") {
  CompileContext with = context();
  with.secret_key = Bytes(32, 'k');
  Compiled made = compiled(kReach, with);
  SecretScope scope = secret_scope(with.chain_id, made.header);
  auto opened = [&](const char* workload, std::string_view field) {
    Bytes box;
    each_secret(*find_body(made.body, workload), [&](const std::string& known, const pb::Secret& secret) {
      if (known == field) box = secret.box();
    });
    return open_secret(made.secret_key, scope, {workload, std::string(field)}, box).value();
  };
  CHECK_EQ(crypto::x25519_public(opened("back", kAccessKeyField)).value(), find_body(made.body, "back")->network().access().public_key());
  const pb::Acme& acme = find_body(made.body, "shop")->publish().site().tls().acme();
  CHECK_EQ(crypto::web_key_thumbprint(opened("shop", kAcmeAccountField)).value(), acme.account_thumbprint());
  CHECK_NE(opened("shop", kTlsKeyField), opened("shop", kAcmeAccountField));
  CHECK_EQ(opened("own", kTlsKeyField), crypto::kTestWebKey);
}

TEST_CASE("a rule to the world is signed as it is written, in both forms, and `any` may be its source") {
  Compiled made = compiled("name: out\nworkloads:\n  net: {kind: network, range: 10.9.0.0/16, allow: [\"web -> world:443\", "
                           "{from: any, to: world, port: 53, protocol: udp}, \"web -> world\"]}\n"
                           "  web: {kind: container, image: \"oci:./web\", networks: [net]}\n");
  const auto& rules = find_body(made.body, "net")->network().allow();
  REQUIRE_EQ(rules.size(), 3);
  CHECK_EQ(rules[0].from() + " " + rules[0].to() + " " + rules[0].protocol(), "web world tcp");
  CHECK_EQ(rules[0].port_first(), 443);
  CHECK_EQ(rules[1].from() + " " + rules[1].to() + " " + rules[1].protocol(), "any world udp");
  CHECK(rules[2].protocol().empty());
}

TEST_CASE("an access point's port follows from the contract and the network, whatever the version") {
  Compiled made = compiled(kReach);
  uint32_t port = find_body(made.body, "front")->network().access().port();
  CHECK_EQ(port, default_access_port(context().nonce, "front"));
  CHECK_GE(port, 20000u);
  CHECK_LT(port, 30000u);
  CHECK_NE(default_access_port(context().nonce, "back"), port);
  CHECK_NE(default_access_port("fedcba9876543210", "front"), port);
}

TEST_CASE("the simplest site needs a name and a target") {
  Compiled made = compiled("name: a\nworkloads:\n  web: {kind: container, image: \"oci:./web\", ports: {http: 80}}\n"
                           "  site: {kind: publish, name: shop, to: \"web:http\"}\n");
  const pb::Facets& facets = *find_facets(made.header, "site");
  CHECK_EQ(facets.replicas(), 2u);
  CHECK_EQ(facets.names(0), "shop");
  CHECK_EQ(facets.spaces(0), "default");
  CHECK_FALSE(made.header.sealed_secrets());
  const pb::Site& site = find_body(made.body, "site")->publish().site();
  CHECK_EQ(site.mode(), pb::SITE_HTTP);
  CHECK_FALSE(site.has_tls());
}

TEST_CASE("a supplied key that is not the certificate's is refused before anything is signed") {
  KnowsAll resolver;
  resolver.secrets["other"] = crypto::make_web_key();
  auto complaint = [&](const std::string& tls) {
    return format_diagnostics(compile(parsed("name: a\nworkloads:\n  web: {kind: container, image: \"oci:./web\", ports: {http: 80}}\n"
                                             "  site: {kind: publish, name: shop, to: web, tls: " + tls + "}\n"),
                                      context(), resolver).diagnostics);
  };
  CHECK_EQ(complaint("{chain: \"value:chain\", key: {secret: \"value:key\"}}"), "");
  CHECK_NE(complaint("{chain: \"value:chain\", key: {secret: \"value:other\"}}").find("workloads.site.tls: the key is not that of"), std::string::npos);
  CHECK_NE(complaint("{chain: \"value:key\", key: {secret: \"value:key\"}}").find("certificates in PEM"), std::string::npos);
  CHECK_NE(complaint("{chain: \"env:UNSET\", key: {secret: \"value:key\"}}").find("tls.chain: the environment has no"), std::string::npos);
}

TEST_CASE("the members of a network are people of the ledger, each once and not the owner") {
  KnowsAll resolver;
  auto complaint = [&](const std::string& members) {
    return format_diagnostics(compile(parsed("name: a\nworkloads: {net: {kind: network, access: true, members: [" + members + "]}}\n"),
                                      context(), resolver).diagnostics);
  };
  CHECK_EQ(complaint("ida, lena"), "");
  CHECK_NE(complaint("nobody").find("workloads.net.members: nobody is called"), std::string::npos);
  CHECK_NE(complaint("owner").find("whose devices may join anyway"), std::string::npos);
  CHECK_NE(complaint("ida, " + key_named("ida").public_key().hex()).find("are the same person"), std::string::npos);
}

TEST_CASE("a secret with a new value gets a new box and leaves the others alone") {
  KnowsAll resolver;
  CompileContext with = context();
  with.secret_key = Bytes(32, 'k');
  Compiled first = compiled(kEverything, with);
  with.previous_body = &first.body;
  resolver.secrets["TOKEN"] = "another";
  CompileOutcome second = compile(parsed(kEverything), with, resolver);
  REQUIRE(second.compiled);
  auto box = [](const Compiled& from, std::string_view name) {
    for (const pb::Variable& variable : find_body(from.body, "web")->container().environment()) {
      if (variable.name() == name) return variable.secret().box();
    }
    return std::string();
  };
  CHECK_NE(box(first, "TOKEN"), box(*second.compiled, "TOKEN"));
  CHECK_EQ(box(first, "PIN"), box(*second.compiled, "PIN"));
}

TEST_CASE("a new secret key makes every box anew") {
  CompileContext with = context();
  with.secret_key = Bytes(32, 'k');
  Compiled first = compiled(kEverything, with);
  with.previous_body = &first.body;
  with.secret_key = Bytes(32, 'n');
  Compiled second = compiled(kEverything, with);
  SecretScope scope = secret_scope(with.chain_id, second.header);
  const auto& variables = find_body(second.body, "web")->container().environment();
  for (const pb::Variable& variable : variables) {
    if (!variable.has_secret()) continue;
    SecretPlace place{"web", environment_field(variable.name())};
    CHECK(open_secret(second.secret_key, scope, place, variable.secret().box()).has_value());
    CHECK_FALSE(open_secret(first.secret_key, scope, place, variable.secret().box()).has_value());
  }
}

TEST_CASE("header and body decode to what was compiled") {
  Compiled made = compiled(kEverything);
  Result<pb::ContractHeader> header = decode_header(made.header_bytes);
  REQUIRE_MESSAGE(header.has_value(), header.error().message);
  CHECK_EQ(wire::encode(*header), made.header_bytes);
  Result<pb::ContractBody> body = decode_body(*header, made.body_bytes);
  REQUIRE_MESSAGE(body.has_value(), body.error().message);
  CHECK_EQ(wire::encode(*body), made.body_bytes);
}

TEST_CASE("without approvals the owner alone approves") {
  pb::Approvals approvals = compiled(kSmall).header.approvals();
  CHECK_EQ(approvals.threshold(), 1u);
  REQUIRE_EQ(approvals.signers_size(), 1);
  CHECK_EQ(approvals.signers(0).key(), context().owner.bytes());
}

TEST_CASE("without a threshold everybody must approve") {
  Compiled made = compiled("name: a\napprovals: {signers: [ida, {who: lena, weight: 3}]}\n"
                           "workloads: {web: {kind: container, image: \"oci:./image\"}}\n");
  CHECK_EQ(made.header.approvals().threshold(), 4u);
}

TEST_CASE("what seals secrets is known before it is compiled") {
  for (std::string_view yaml : {kSmall, kEverything, kReach}) {
    CHECK_EQ(seals_secrets(parsed(yaml)), compiled(yaml).header.sealed_secrets());
  }
  const std::string web = "name: a\nworkloads:\n  web: {kind: container, image: \"oci:./web\", ports: {http: 80}}\n  other: ";
  for (const char* other : {"{kind: kv, size: 1MiB, password: {secret: \"env:A\"}}", "{kind: kv, size: 1MiB}",
                            "{kind: container, image: \"oci:./web\", environment: {A: {secret: \"env:A\"}}}",
                            "{kind: container, image: \"oci:./web\", secret_files: {/a: {secret: \"env:A\"}}}", "{kind: network, access: true}",
                            "{kind: publish, name: shop, to: web, tls: acme}", "{kind: publish, name: shop, to: web, tls: passthrough}",
                            "{kind: publish, name: shop, to: web, tls: {chain: \"value:chain\", key: \"value:key\"}}",
                            "{kind: publish, name: shop, to: web}", "{kind: publish, port: 80, to: web}"}) {
    CAPTURE(std::string(other));
    CHECK_EQ(seals_secrets(parsed(web + other)), compiled(web + other).header.sealed_secrets());
  }
}

TEST_CASE("no secret, no secret key") {
  Compiled made = compiled(kSmall);
  CHECK_FALSE(made.header.sealed_secrets());
  CHECK(made.secret_key.empty());
  CHECK(compiled(kEverything).header.sealed_secrets());
}

TEST_CASE("no secret stands in clear in the signed bytes") {
  Compiled made = compiled(kEverything);
  for (const char* secret : {"secret of TOKEN", "secret of 1234", "secret of token.txt", "env:TOKEN", "token.txt"}) {
    CHECK_EQ(made.body_bytes.find(secret), std::string::npos);
    CHECK_EQ(made.header_bytes.find(secret), std::string::npos);
  }
}

TEST_CASE("everything the resolver cannot find is named with its place") {
  constexpr std::string_view kLost = R"(name: lost
approvals: {signers: [ida, nobody, owner, owner2]}
workloads:
  web:
    kind: container
    image: oci:./missing
    environment: {TOKEN: {secret: "env:UNSET"}}
    placement: {pin: node-99}
)";
  KnowsAll resolver;
  CompileOutcome outcome = compile(parsed(kLost), context(), resolver);
  CHECK_FALSE(outcome.compiled);
  CHECK_EQ(format_diagnostics(outcome.diagnostics),
           "test.yaml:2:28: approvals.signers: nobody is called \"nobody\" on this ledger\n"
           "test.yaml:6:12: workloads.web.image: there is no OCI layout in ./missing\n"
           "test.yaml:7:35: workloads.web.environment.TOKEN: the environment has no UNSET\n"
           "test.yaml:8:22: workloads.web.placement.pin: there is no node \"node-99\"\n");
}

TEST_CASE("an image is pinned to the digest that the contract names, and must be signed by whom it names") {
  KnowsAll resolver;
  auto outcome = [&](const std::string& image) {
    return compile(parsed("name: a\nworkloads: {web: {kind: container, networks: [], image: " + image + "}}\n"), context(), resolver);
  };
  auto complaint = [&](const std::string& image) { return format_diagnostics(outcome(image).diagnostics); };
  std::string other = "{source: \"fl:./app.fl\", digest: \"sha256:" + std::string(64, '0') + "\"}";
  CHECK_NE(complaint(other).find("workloads.web.image: holds sha256:040099"), std::string::npos);
  std::string both = "{source: \"fl:./app.fl\", signed_by: [owner, ida]}";
  CHECK_EQ(complaint(both), "");
  resolver.signers = {key_named("ida").public_key()};
  CHECK_NE(complaint(both).find("workloads.web.image.signed_by: \"owner\" has not signed sha256:040099"), std::string::npos);
  resolver.signers->push_back(context().owner);
  CHECK_EQ(complaint(both), "");
  std::string hex = key_named("ida").public_key().hex();
  CHECK_NE(complaint("{source: \"fl:./app.fl\", signed_by: [ida, " + hex + "]}").find("under another name"), std::string::npos);
  CHECK_NE(complaint("{source: \"fl:./app.fl\", signed_by: [nobody]}").find("nobody is called"), std::string::npos);
}

TEST_CASE("what says nothing about signers and programs has the bytes it always had") {
  Compiled made = compiled(kSmall);
  CHECK(made.body.workloads(1).container().image().signers().empty());
  CHECK_FALSE(made.body.workloads(1).container().only_image_programs());
  Compiled spelled = compiled("name: small\nworkloads: {web: {kind: container, programs: any, image: {source: \"oci:./image\", signed_by: []}}}\n");
  CHECK_EQ(to_hex(made.body_bytes), to_hex(spelled.body_bytes));
}

TEST_CASE("one person under two names is one signer too many") {
  std::string hex = key_named("ida").public_key().hex();
  KnowsAll resolver;
  Contract contract = parsed("name: a\napprovals: {signers: [ida, " + hex + "]}\n" +
                             "workloads: {web: {kind: container, image: \"oci:./image\"}}\n");
  CompileOutcome outcome = compile(contract, context(), resolver);
  REQUIRE_EQ(outcome.diagnostics.size(), 1u);
  CHECK_NE(outcome.diagnostics[0].message.find("are the same person"), std::string::npos);
}

TEST_CASE("containers that name no network share the only one, or one called default") {
  Compiled one = compiled("name: a\nworkloads: {net: {kind: network, range: 10.9.0.0/16}, "
                          "web: {kind: container, image: \"oci:./image\"}}\n");
  CHECK_EQ(find_facets(one.header, "web")->spaces(0), "net");
  CHECK_EQ(one.header.spaces_size(), 1);
  Compiled none = compiled(kSmall);
  CHECK_EQ(find_facets(none.header, "web")->spaces(0), "default");
  CHECK_EQ(none.header.spaces(0).range(), "10.42.0.0/16");
  Compiled alone = compiled("name: a\nworkloads: {web: {kind: container, image: \"oci:./image\", networks: []}}\n");
  CHECK_EQ(alone.header.spaces_size(), 0);
}
