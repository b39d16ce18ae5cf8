#include "crypto/web_key.h"

#include <doctest/doctest.h>

#include "crypto/test_certificate.h"
#include "crypto/x25519.h"

using namespace mcloud;
using namespace mcloud::crypto;

TEST_CASE("a WireGuard key's public half is the one that wg says") {
  Bytes secret = from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHl8=").value();
  CHECK_EQ(to_base64(x25519_public(secret).value()), "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=");
  CHECK_EQ(x25519_public("short").error().code, Code::Invalid);
}

TEST_CASE("new X25519 secrets are clamped and differ") {
  Bytes secret = make_x25519_secret();
  CHECK_EQ(secret.size(), kX25519Size);
  CHECK_EQ(secret.front() & 7, 0);
  CHECK_EQ(secret.back() & 0xc0, 0x40);
  CHECK_NE(secret, make_x25519_secret());
}

// Worked out by hand from the public key.
TEST_CASE("a thumbprint is the one of RFC 7638") {
  CHECK_EQ(web_key_thumbprint(kTestWebKey).value(), "xKBoaRx4EfLPg6he1S_8NQlYxxnhYPO6CVUxUYc-O18");
}

TEST_CASE("new web keys are PKCS 8 keys of EC P-256, each another") {
  Bytes key = make_web_key();
  CHECK(key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  CHECK_EQ(web_key_thumbprint(key).value().size(), 43u);
  CHECK_NE(web_key_thumbprint(key).value(), web_key_thumbprint(make_web_key()).value());
}

TEST_CASE("what is no key has no thumbprint") {
  for (std::string_view text :
       {std::string_view(""), std::string_view("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        kTestCertificate}) {
    CHECK_EQ(web_key_thumbprint(text).error().code, Code::Invalid);
  }
}

TEST_CASE("a certificate's key is told from another's") {
  CHECK(check_certificate_key(kTestCertificate, kTestWebKey).has_value());
  CHECK(check_certificate_key(std::string(kTestCertificate) + std::string(kTestCertificate), kTestWebKey).has_value());
  CHECK_EQ(check_certificate_key(kTestCertificate, make_web_key()).error().message,
           "the key is not that of the first certificate of the chain");
  CHECK_NE(check_certificate_key(kTestCertificate, "no key").error().message.find("not a private key"), std::string::npos);
  for (std::string_view chain :
       {std::string_view(""), std::string_view("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}) {
    CHECK_NE(check_certificate_key(chain, kTestWebKey).error().message.find("the chain is not certificates"),
             std::string::npos);
  }
  std::string cut = std::string(kTestCertificate) + std::string(kTestCertificate).substr(0, 200);
  CHECK_FALSE(check_certificate_key(cut, kTestWebKey).has_value());
}
