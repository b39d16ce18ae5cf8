#include "crypto/web_key.h"

#include <doctest/doctest.h>

#include "crypto/x25519.h"

using namespace mcloud;
using namespace mcloud::crypto;

namespace {

// Made with OpenSSL's command; the thumbprint by hand from its public key.
constexpr std::string_view kPem = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmIUFelxYHO+vDSnV
nSzOSNkJ071UilhZ9rSUEQ6+vfahRANCAARtYbFCtve4nRzu1+VU2r/4YKhU3tfo
Vg1Zysn8qtJ3DRQYP9guvRumZPEKcHoAa6tEmD1JPDNtu/DUnxB87RTW
-----END PRIVATE KEY-----
)";
constexpr std::string_view kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUCGPTaVjwyR0Vitk8gFeu/DKXJ4YwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLZXhhbXBsZS5vcmcwHhcNMjYxMTI3MTcxNjU1WhcNMzYxMTI0
MTcxNjU1WjAWMRQwEgYDVQQDDAtleGFtcGxlLm9yZzBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABG1hsUK297idHO7X5VTav/hgqFTe1+hWDVnKyfyq0ncNFBg/2C69
G6Zk8QpwegBrq0SYPUk8M2278NSfEHztFNajUzBRMB0GA1UdDgQWBBSHMzH1CJNZ
l4KWwY7wtoAzvy4/7zAfBgNVHSMEGDAWgBSHMzH1CJNZl4KWwY7wtoAzvy4/7zAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIAsQjC0LHNcuqwGQzR6U
4C7jw0FfMsQl79LDalt07VmnAiEAjjmhoYEvjVVw/ExfoaRgQ7HL0nJGjtEKm/Z1
hRcgz1k=
-----END CERTIFICATE-----
)";

}  // namespace

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

TEST_CASE("a thumbprint is the one of RFC 7638") {
  CHECK_EQ(web_key_thumbprint(kPem).value(), "xKBoaRx4EfLPg6he1S_8NQlYxxnhYPO6CVUxUYc-O18");
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
        kCertificate}) {
    CHECK_EQ(web_key_thumbprint(text).error().code, Code::Invalid);
  }
}

TEST_CASE("a certificate's key is told from another's") {
  CHECK(check_certificate_key(kCertificate, kPem).has_value());
  CHECK(check_certificate_key(std::string(kCertificate) + std::string(kCertificate), kPem).has_value());
  CHECK_EQ(check_certificate_key(kCertificate, make_web_key()).error().message,
           "the key is not that of the first certificate of the chain");
  CHECK_NE(check_certificate_key(kCertificate, "no key").error().message.find("not a private key"), std::string::npos);
  for (std::string_view chain :
       {std::string_view(""), std::string_view("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}) {
    CHECK_NE(check_certificate_key(chain, kPem).error().message.find("the chain is not certificates"),
             std::string::npos);
  }
  std::string cut = std::string(kCertificate) + std::string(kCertificate).substr(0, 200);
  CHECK_FALSE(check_certificate_key(cut, kPem).has_value());
}
