#include "gateway/acme.h"

#include <doctest/doctest.h>

#include "crypto/certificate.h"
#include "crypto/web_key.h"
#include "gateway/test_sites.h"
#include "io/clock.h"
#include "testing/temporary_folder.h"

namespace mcloud::gateway {
namespace {

TEST_CASE("a certificate is renewed at two thirds of its life, by one gateway after the other") {
  CHECK(renewal_ms(0, 90'000, 0) == 60'000);
  CHECK(renewal_ms(0, 90'000, 1) == 61'875);
  CHECK(renewal_ms(0, 90'000, 7) < 90'000);
  CHECK(renewal_ms(5, 5, 3) == 5);
}

TEST_CASE("pauses after failures grow to an hour") {
  CHECK(acme_pause_ms(1) == 10'000);
  CHECK(acme_pause_ms(2) == 30'000);
  CHECK(acme_pause_ms(7) == 3'600'000);
  CHECK(acme_pause_ms(1'000'000) == 3'600'000);
}

TEST_CASE("a custom domain has a certificate of its own, names of the gateway share one") {
  pb::LocalGateway gateway = test_gateway();
  pb::LocalSite& local = add_test_site(gateway, "www");
  local.mutable_site()->add_names("also");
  local.mutable_site()->add_domains("shop.example.org");
  local.mutable_site()->mutable_tls()->mutable_acme()->set_account_thumbprint(std::string(43, 'A'));
  std::vector<CertificateUnit> units = certificate_units(plan_sites(gateway).sites[0], "gw.example");
  REQUIRE(units.size() == 2);
  CHECK(units[0].hosts == std::vector<std::string>{"also.gw.example", "www.gw.example"});
  CHECK(units[1].hosts == std::vector<std::string>{"shop.example.org"});
  CHECK(units[1].id == domain_unit_id(units[0].id, "shop.example.org"));
}

TEST_CASE("an order that fails says why, waits, and leaves no key behind") {
  testing::TemporaryFolder folder;
  pb::LocalGateway gateway = test_gateway();
  pb::LocalSite& local = add_test_site(gateway, "www");
  local.mutable_site()->mutable_tls()->mutable_acme()->set_account_thumbprint(std::string(43, 'A'));
  local.set_tls_private_key(crypto::make_web_key());
  local.set_acme_account_key(crypto::make_web_key());
  std::vector<CertificateUnit> units = certificate_units(plan_sites(gateway).sites[0], "gw.example");
  std::string program = folder.path() + "/authority";
  REQUIRE(io::write_file(program, "#!/bin/sh\necho 'uacme: the authority is tired' >&2\nexit 2\n", io::Durability::None, 0700).has_value());
  Acme acme({folder.path() + "/data", folder.path() + "/work", program});
  REQUIRE(acme.open().has_value());
  io::SystemClock clock;
  uint64_t deadline = clock.monotonic_ms() + 10'000;
  while (acme.message(units[0].site).empty() && clock.monotonic_ms() < deadline) {
    CHECK(!acme.round(units, clock.monotonic_ms(), clock.wall_ms()));
  }
  CHECK(acme.message(units[0].site) == "certificate: the authority is tired");
  CHECK(io::list_folder(folder.path() + "/work")->empty());
}

TEST_CASE("a chain of a unit that left is kept until it expires, and is there when the unit comes back") {
  testing::TemporaryFolder folder;
  std::string key = crypto::make_web_key();
  std::string chain = crypto::make_self_signed(key, {"www.gw.example"}, 30).value();
  REQUIRE(io::make_folders(folder.path() + "/data/certificates").has_value());
  std::string file = folder.path() + "/data/certificates/unit.pem";
  REQUIRE(io::write_file(file, chain, io::Durability::None).has_value());
  uint64_t expires_ms = crypto::certificate_expiry_ms(chain).value();
  Acme acme({folder.path() + "/data", folder.path() + "/work", "no-such-program"});
  REQUIRE(acme.open().has_value());
  acme.round({}, 0, expires_ms - 1);
  CHECK(acme.chain("unit") == chain);
  acme.round({}, 0, expires_ms);
  CHECK(acme.chain("unit") == "");
  CHECK(!io::exists(file));
}

}  // namespace
}  // namespace mcloud::gateway
