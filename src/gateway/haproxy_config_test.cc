#include "gateway/haproxy_config.h"

#include <doctest/doctest.h>

#include "gateway/certificate_unit.h"
#include "gateway/certificates.h"
#include "gateway/test_sites.h"
#include "testing/temporary_folder.h"

namespace mcloud::gateway {
namespace {

HaproxyPaths test_paths(const std::string& folder = "/run/mcloud/gateway") { return {folder, "", true, 1'000}; }

// What HAProxy says about it; "" = it takes it.
std::string judged(const pb::LocalGateway& gateway) {
  testing::TemporaryFolder folder;
  HaproxyPaths paths = test_paths(folder.path());
  HaproxyConfig config = haproxy_config(gateway, paths);
  REQUIRE(io::make_folders(paths.targets()).has_value());
  Certificates certificates(paths);
  SitePlans plans = plan_sites(gateway);
  std::vector<CertificateUnit> units;
  for (const SitePlan& plan : plans.sites) {
    for (CertificateUnit& unit : certificate_units(plan, gateway.domain())) units.push_back(std::move(unit));
  }
  REQUIRE(certificates.prepare(gateway.domain(), units, [](const CertificateUnit&) { return std::string(); }).has_value());
  config.files["haproxy.cfg"] = config.text;
  config.files["servers"] = "1\n";
  for (auto& [name, content] : config.files) REQUIRE(io::write_file(folder.path() + "/" + name, content, io::Durability::None).has_value());
  Result<io::Outcome> outcome = io::run({.arguments = {"haproxy", "-c", "-f", folder.path() + "/haproxy.cfg"}});
  REQUIRE(outcome.has_value());
  return outcome->exit_code == 0 && outcome->errors.find("WARNING") == std::string::npos ? "" : outcome->errors;
}

pb::LocalGateway everything() {
  pb::LocalGateway gateway = test_gateway();
  pb::LocalSite& shop = add_test_site(gateway, "shop");
  pb::Site& site = *shop.mutable_site();
  site.set_body_max_bytes(1 << 20);
  for (const char* range : {"10.0.0.0/8", "192.0.2.1", "fd00::/8", "2001:db8::1"}) site.add_allow(range);
  site.add_domains("shop.example.org");
  site.mutable_tls()->mutable_acme()->set_account_thumbprint(std::string(43, 'A'));
  site.mutable_tls()->set_redirect(true);
  site.mutable_tls()->set_hsts_s(31'536'000);
  site.mutable_routes(0)->set_sticky(true);
  site.mutable_routes(0)->set_check_path("/it's/up?really=1&x=%20");
  for (auto [path, balance] : {std::pair{"/api", pb::BALANCE_LEAST_CONNECTIONS}, {"/a$(b)'c;d", pb::BALANCE_SOURCE}}) {
    pb::Route& route = *site.add_routes();
    route.set_path(path);
    route.set_strip(true);
    route.set_h2(true);
    route.set_balance(balance);
    *route.add_backends() = site.routes(0).backends(0);
  }
  shop.mutable_servers(1)->clear_address();  // by tunnel
  shop.mutable_servers(0)->set_address("fd00::1");
  add_test_site(gateway, "plain").mutable_site()->set_retries(0);
  add_test_site(gateway, "pass", pb::SITE_TLS).mutable_site()->add_allow("10.0.0.0/8");
  pb::Site& raw = *add_test_site(gateway, "raw", pb::SITE_TCP).mutable_site();
  raw.set_port(5432);
  raw.add_allow("10.0.0.0/8");
  pb::LocalSite& udp = add_test_site(gateway, "udp", pb::SITE_UDP);
  udp.mutable_site()->set_port(53);
  udp.mutable_site()->set_exposure(pb::EXPOSURE_TUNNEL);
  return gateway;
}

std::string problem_of(const pb::LocalGateway& gateway) {
  HaproxyConfig config = haproxy_config(gateway, test_paths());
  return config.problems.empty() ? "" : config.problems.begin()->second;
}

TEST_CASE("HAProxy takes a configuration without sites, and one with everything") {
  CHECK(judged(test_gateway()) == "");
  CHECK(judged(everything()) == "");
  pb::LocalGateway gateway = everything();
  gateway.set_address("192.0.2.7");
  CHECK(judged(gateway) == "");
  CHECK(haproxy_config(everything(), test_paths()).problems.empty());
}

TEST_CASE("equal wishes give equal bytes, and another replica is not another structure") {
  pb::LocalGateway gateway = everything();
  HaproxyConfig before = haproxy_config(gateway, test_paths());
  CHECK(before.text == haproxy_config(gateway, test_paths()).text);
  gateway.mutable_sites(1)->mutable_servers(0)->set_way_port(31'000);
  HaproxyConfig after = haproxy_config(gateway, test_paths());
  CHECK(after.text != before.text);
  CHECK(after.structure == before.structure);
  gateway.mutable_sites(1)->mutable_site()->set_response_ms(7'000);
  CHECK(haproxy_config(gateway, test_paths()).structure != before.structure);
}

TEST_CASE("the servers of a sticky route are structure, as HAProxy gives no cookie to one that is added later") {
  pb::LocalGateway gateway = everything();
  std::string before = haproxy_config(gateway, test_paths()).structure;
  gateway.mutable_sites(0)->mutable_servers(0)->set_way_port(31'000);
  CHECK(haproxy_config(gateway, test_paths()).structure != before);
}

TEST_CASE("TLS is ended on the port itself unless something passes through") {
  pb::LocalGateway gateway = test_gateway();
  add_test_site(gateway, "www");
  CHECK(haproxy_config(gateway, test_paths()).text.find("bind ipv4@0.0.0.0:443 ssl crt-list") != std::string::npos);
  add_test_site(gateway, "pass", pb::SITE_TLS);
  std::string text = haproxy_config(gateway, test_paths()).text;
  CHECK(text.find(":443 ssl") == std::string::npos);
  CHECK(text.find("accept-proxy ssl crt-list") != std::string::npos);
}

TEST_CASE("words that could become directives take their site out, and no other") {
  using Change = void (*)(pb::LocalSite&);
  const Change changes[] = {
      [](pb::LocalSite& site) { site.mutable_site()->set_names(0, "a\n  bind :1"); },
      [](pb::LocalSite& site) { site.mutable_site()->set_names(0, "a b"); },
      [](pb::LocalSite& site) { site.mutable_site()->set_names(0, "a#"); },
      [](pb::LocalSite& site) { site.mutable_site()->add_domains("Upper.example"); },
      [](pb::LocalSite& site) { site.mutable_site()->add_allow("10.0.0.0/8 if TRUE"); },
      [](pb::LocalSite& site) { site.mutable_site()->add_allow(std::string("10.0.0.1\0x", 10)); },
      [](pb::LocalSite& site) { site.mutable_site()->add_allow("10.0.0.0/33"); },
      [](pb::LocalSite& site) { site.mutable_site()->mutable_routes(0)->set_path("/a b"); },
      [](pb::LocalSite& site) { site.mutable_site()->mutable_routes(0)->set_path("/a\nb"); },
      [](pb::LocalSite& site) { site.mutable_site()->mutable_routes(0)->set_path("/a\"b"); },
      [](pb::LocalSite& site) { site.mutable_site()->mutable_routes(0)->set_check_path("/' hdr X y"); },
      [](pb::LocalSite& site) { site.mutable_site()->mutable_routes(0)->mutable_backends(0)->set_target("web x"); },
      [](pb::LocalSite& site) { site.mutable_servers(0)->set_target("web/../../x"); },
      [](pb::LocalSite& site) { site.mutable_servers(0)->set_address("10.0.0.1:80 backup"); },
      [](pb::LocalSite& site) { site.mutable_site()->mutable_tls()->mutable_acme()->set_account_thumbprint("%[src]"); },
      [](pb::LocalSite& site) { site.set_workload("../x"); },
      [](pb::LocalSite& site) { site.set_contract("short"); },
      [](pb::LocalSite& site) { site.mutable_site()->clear_routes(); },
      [](pb::LocalSite& site) { site.mutable_site()->set_mode(pb::SITE_MODE_UNSET); },
  };
  pb::LocalGateway alone = test_gateway();
  add_test_site(alone, "good");
  std::string expected = haproxy_config(alone, test_paths()).text;
  for (Change change : changes) {
    pb::LocalGateway gateway = alone;
    change(add_test_site(gateway, "bad"));
    HaproxyConfig config = haproxy_config(gateway, test_paths());
    CHECK(config.problems.size() == 1);
    CHECK(config.text == expected);
  }
}

TEST_CASE("of two sites with one name or port the first has it, and the other says who") {
  pb::LocalGateway gateway = test_gateway();
  add_test_site(gateway, "www");
  add_test_site(gateway, "other", pb::SITE_TLS).mutable_site()->set_names(0, "www");
  CHECK(problem_of(gateway).starts_with("www.gw.example is served for 7777"));
  gateway = test_gateway();
  add_test_site(gateway, "a", pb::SITE_TCP).mutable_site()->set_port(443);
  CHECK(problem_of(gateway) == "port 443 is taken by the gateway itself");
}

TEST_CASE("a weight is the share of a back end, however many replicas carry it") {
  pb::LocalGateway gateway = test_gateway();
  pb::LocalSite& local = add_test_site(gateway, "www");
  pb::Route& route = *local.mutable_site()->mutable_routes(0);
  route.mutable_backends(0)->set_weight(90);
  pb::Backend& canary = *route.add_backends();
  canary.set_target("canary");
  canary.set_port(8080);
  canary.set_weight(10);
  pb::LocalServer& one = *local.add_servers();
  one = local.servers(0);
  one.set_target("canary");
  auto weights = [&] {
    std::map<std::string, uint32_t> out;
    for (const HaproxyServer& server : haproxy_config(gateway, test_paths()).backends[0].servers) out[server.name.substr(0, server.name.rfind('-'))] = server.weight;
    return out;
  };
  CHECK(weights() == std::map<std::string, uint32_t>{{"canary-0-8080", 57}, {"web-0-8080", 256}, {"web-1-8080", 256}});
  local.mutable_servers(1)->set_serves(false);
  CHECK(weights() == std::map<std::string, uint32_t>{{"canary-0-8080", 28}, {"web-0-8080", 256}, {"web-1-8080", 0}});
}

}  // namespace
}  // namespace mcloud::gateway
