#include "contract/diff.h"

#include <doctest/doctest.h>

#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

namespace {

// `text` with the first `from` replaced; the test fails when there is none.
std::string with(std::string text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  REQUIRE_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

CompileContext keyed() {
  CompileContext out = context();
  out.secret_key = Bytes(32, 'k');
  return out;
}

std::string lines(const std::string& before, const std::string& after) {
  CompileContext old_context = keyed();
  Compiled first = compiled(before, old_context);
  CompileContext new_context = keyed();
  new_context.version = 2;
  new_context.now_ms += 1000;
  new_context.previous_body = &first.body;
  Compiled second = compiled(after, new_context);
  std::string out;
  for (const std::string& line : format_diff(diff({first.header, first.body}, {second.header, second.body}))) out += line + "\n";
  return out;
}

const std::string kBase(kEverything);

bool restarts(const std::string& after, std::string_view workload) {
  Compiled first = compiled(kBase, keyed());
  CompileContext context = keyed();
  context.previous_body = &first.body;
  Compiled second = compiled(after, context);
  return restarts_replicas({first.header, first.body}, {second.header, second.body}, workload);
}

}  // namespace

TEST_CASE("the next version of an unchanged contract has no differences") { CHECK_EQ(lines(kBase, kBase), ""); }

TEST_CASE("a first version is all additions") {
  Compiled made = compiled("name: a\nworkloads: {web: {kind: container, image: \"oci:./web\"}}\n");
  std::string out;
  for (const std::string& line : format_diff(diff_from_nothing({made.header, made.body}))) out += line + "\n";
  CHECK_EQ(out, "  + default (network): 10.42.0.0/16, encrypted\n"
                "  + web (container): 1 replica of oci:/recipes/web, 250m cpu, 128MiB memory, 1GiB disk\n");
}

TEST_CASE("a change is one line with both values and whether it restarts") {
  CHECK_EQ(lines(kBase, with(kBase, "replicas: 4", "replicas: 2")), "  ~ web (container): replicas 4 -> 2\n");
  CHECK_EQ(lines(kBase, with(kBase, "GREETING: hello", "GREETING: moin")),
           "  ~ web (container): environment.GREETING hello -> moin  [restarts]\n");
  CHECK_EQ(lines(kBase, with(kBase, "EMPTY: \"\", ", "")),
           "  ~ web (container): environment.EMPTY removed (was {})  [restarts]\n");
  CHECK_EQ(lines(kBase, with(kBase, "memory: 64MiB", "memory: 128MiB")),
           "  ~ web (container): resources.memory 64MiB -> 128MiB  [restarts]\n");
  CHECK_EQ(lines(kBase, with(kBase, "timeout: 500ms", "timeout: 700ms")),
           "  ~ db (container): health.timeout 500ms -> 700ms\n");
  CHECK_EQ(lines(kBase, with(kBase, "spread: require", "spread: pack")),
           "  ~ web (container): placement.spread require -> pack\n");
  CHECK_EQ(lines(kBase, with(kBase, "size: 1GiB", "size: 2GiB")), "  ~ data (volume): size 1GiB -> 2GiB\n");
  CHECK_EQ(lines(kBase, with(kBase, "port: 8080", "port: 9090")),
           "  ~ site (publish): port 8080 -> 9090  [restarts]\n");
  CHECK_EQ(lines(kBase, with(kBase, "threshold: 3", "threshold: 4")), "  ~ contract: approvals.threshold 3 -> 4\n");
  CHECK_EQ(lines(kBase, with(kBase, "mode: 0440", "mode: 0400")),
           "  ~ db (container): secret_files./run/secrets/token {secret (secret), mode 0440} -> {secret (secret), mode 0400}"
           "  [restarts]\n");
}

TEST_CASE("workloads that come and go are told in a few words") {
  CHECK_EQ(lines(kBase, with(kBase, "  site-too: {kind: publish, port: 8081, to: \"web:80\"}", "")),
           "  - site-too (publish): tcp/8081 to web:80\n");
  CHECK_EQ(lines(kBase, kBase + "  metrics: {kind: publish, port: 9100, to: \"web:metrics\"}\n"),
           "  + metrics (publish): tcp/9100 to web:9100\n");
}

TEST_CASE("changes of networks and gateways are told field by field, and sites change without a restart") {
  const std::string reach(kReach);
  CHECK_EQ(lines(reach, reach), "");
  CHECK_EQ(lines(reach, with(reach, "dedicated: true", "encryption: wireguard")), "  ~ back (network): encryption dedicated -> wireguard\n");
  CHECK_EQ(lines(reach, with(reach, "\"web -> store\"", "\"web -> store:6379\"")),
           "  ~ back (network): allow.web -> store removed (was allowed)\n"
           "  ~ back (network): allow.web -> store:6379/tcp set to allowed\n");
  CHECK_EQ(lines(reach, with(reach, "members: [lena, ida]", "members: [ida]")),
           "  ~ back (network): members [1c63dc7d, e25a9ca3] -> [e25a9ca3]\n");
  CHECK_EQ(lines(reach, with(reach, "access: {port: 21000, replicas: 2", "access: {port: 21000, replicas: 3")), "  ~ back (network): replicas 2 -> 3\n");
  CHECK_EQ(lines(reach, with(reach, "port: 21000", "port: 22000")), "  ~ back (network): access.port 21000 -> 22000  [restarts]\n");
  CHECK_EQ(lines(reach, with(reach, "names: [shop, boutique]", "names: [shop]")), "  ~ shop (publish): site.names [boutique, shop] -> [shop]\n");
  CHECK_EQ(lines(reach, with(reach, "hsts: 180d", "hsts: 90d")), "  ~ shop (publish): site.tls.hsts 180d -> 90d\n");
  CHECK_EQ(lines(reach, with(reach, "weight: 3", "weight: 4")),
           "  ~ shop (publish): site.routes./api {backends [{target api, port 8080, weight 3}, {target web, port 80, weight 1}], "
           "balance least-connections, sticky true, check_path /ok?x=1, check 5s, strip true} -> "
           "{backends [{target api, port 8080, weight 4}, {target web, port 80, weight 1}], "
           "balance least-connections, sticky true, check_path /ok?x=1, check 5s, strip true}\n");
  CHECK_EQ(lines(reach, with(reach, "tls: passthrough", "tls: none")).find("  ~ sni (publish): site.mode tls -> http\n"), 38u);
  CHECK_EQ(lines(reach, with(reach, "  own: {kind: publish, name: own, to: \"web:http\", tls: {chain: \"value:chain\", key: {secret: \"value:key\"}}}\n", "")),
           "  ~ back (network): allow.own -> web:80/tcp removed (was allowed)\n"
           "  - own (publish): own at 2 gateways to web:80, TLS with your certificate\n");
}

TEST_CASE("a changed secret shows that it changed and nothing else") {
  std::string out = lines(kBase, with(kBase, "value:1234", "value:9876"));
  CHECK_EQ(out, "  ~ web (container): environment.PIN (secret) -> (secret) (changed)  [restarts]\n");
}

TEST_CASE("replicas restart for what was set up at their start, and for nothing else") {
  CHECK_FALSE(restarts(kBase, "web"));
  CHECK(restarts(with(kBase, "GREETING: hello", "GREETING: moin"), "web"));
  CHECK_FALSE(restarts(with(kBase, "GREETING: hello", "GREETING: moin"), "cache"));
  CHECK_FALSE(restarts(with(kBase, "replicas: 4", "replicas: 2"), "web"));
  CHECK_FALSE(restarts(with(kBase, "path: /healthy", "path: /other"), "web"));
  CHECK(restarts(with(kBase, "range: 192.168.7.0/24", "range: 192.168.8.0/24"), "web"));
  CHECK_FALSE(restarts(with(kBase, "range: 192.168.7.0/24", "range: 192.168.8.0/24"), "cache"));
  CHECK_FALSE(restarts(with(kBase, "port: 8080", "port: 9090"), "web"));
  CHECK_FALSE(restarts(kBase, "no-such"));
}

TEST_CASE("two keys that look alike when cut short hide no change") {
  pb::ContractHeader before, after;
  for (char last : {'a', 'b'}) {
    pb::Signer& signer = *before.mutable_approvals()->add_signers();
    signer.set_key(Bytes(31, 'k') + last);
    signer.set_weight(1);
  }
  after = before;
  after.mutable_approvals()->mutable_signers(1)->set_weight(5);
  CHECK_EQ(diff({before, {}}, {after, {}}).contract.size(), 1u);
}
