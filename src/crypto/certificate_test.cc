#include "crypto/certificate.h"

#include <doctest/doctest.h>

#include "crypto/web_key.h"

namespace mcloud::crypto {
namespace {

TEST_CASE("a certificate signed by itself is for its names and its key") {
  std::string key = make_web_key();
  Result<std::string> made = make_self_signed(key, {"a.example", "b.example"}, 30);
  REQUIRE(made.has_value());
  Result<CertificateFacts> facts = check_certificate(*made, key);
  REQUIRE(facts.has_value());
  CHECK(facts->dns_names == std::vector<std::string>{"a.example", "b.example"});
  CHECK(certificate_expiry_ms(*made).value() == facts->not_after_ms);
  CHECK(!certificate_expiry_ms("no certificate").has_value());
  CHECK(facts->not_after_ms - facts->not_before_ms == (30ull * 86'400 + 3'600) * 1'000);
}

TEST_CASE("chains and keys that do not fit say why") {
  std::string key = make_web_key();
  std::string made = make_self_signed(key, {"a.example"}, 30).value();
  std::string other = make_self_signed(make_web_key(), {"b.example"}, 30).value();
  auto reason = [&](const std::string& chain, const std::string& its_key) {
    Result<CertificateFacts> facts = check_certificate(chain, its_key);
    return facts.has_value() ? "" : facts.error().message;
  };
  CHECK(reason("", key) == "there is no PEM certificate");
  CHECK(reason(made, "no key") == "the private key is no PEM key without a passphrase");
  CHECK(reason(made, make_web_key()) == "the private key is not the certificate's");
  CHECK(reason(made + other, key) == "the chain is broken: certificate 2 did not issue the one before it");
  CHECK(reason(std::string(300 << 10, 'x'), key) == "the certificate is larger than 256 KiB");
}

TEST_CASE("what is written afresh holds nothing of the text around it") {
  std::string key = make_web_key();
  std::string chain = "comment\n\n" + make_self_signed(key, {"a.example"}, 30).value() + "\n\ndel ssl cert x\n";
  std::string pem = check_certificate(chain, key).value().pem;
  CHECK(pem.find("\n\n") == std::string::npos);
  CHECK(pem.find("del ssl") == std::string::npos);
  CHECK(check_certificate(pem, pem).has_value());
}

TEST_CASE("a wildcard covers one label") {
  CHECK(covers({"*.example.org"}, "a.example.org"));
  CHECK(!covers({"*.example.org"}, "a.b.example.org"));
  CHECK(!covers({"*.example.org"}, "example.org"));
  CHECK(!covers({}, "a"));
}

}  // namespace
}  // namespace mcloud::crypto
