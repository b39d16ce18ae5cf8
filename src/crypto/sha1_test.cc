#include "crypto/sha1.h"

#include <doctest/doctest.h>

using namespace mcloud;

TEST_CASE("SHA-1 gives the values of its specification") {
  CHECK_EQ(to_hex(crypto::sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK_EQ(to_hex(crypto::sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}
