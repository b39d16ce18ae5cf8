// For tests of any room: a web server's key and the certificate of example.org for it, made with OpenSSL's command; of no
// use anywhere.
#pragma once

#include <string_view>

namespace mcloud::crypto {

inline constexpr std::string_view kTestWebKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmIUFelxYHO+vDSnV
nSzOSNkJ071UilhZ9rSUEQ6+vfahRANCAARtYbFCtve4nRzu1+VU2r/4YKhU3tfo
Vg1Zysn8qtJ3DRQYP9guvRumZPEKcHoAa6tEmD1JPDNtu/DUnxB87RTW
-----END PRIVATE KEY-----
)";
inline constexpr std::string_view kTestCertificate = R"(-----BEGIN CERTIFICATE-----
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

}  // namespace mcloud::crypto
