#include "wire/resp_glance.h"

#include <doctest/doctest.h>

#include "wire/resp.h"

using namespace mcloud;
using namespace mcloud::wire;

TEST_CASE("a glance sees the key and the size of a whole request, and nothing of a part of it") {
  Bytes request = resp_request({"SET", "key", Bytes(300, 'v')});
  Bytes bytes = request + resp_request({"GET", "other"});
  auto seen = resp_glance(bytes);
  REQUIRE(seen.has_value());
  CHECK_EQ(seen->second, "key");
  CHECK_EQ(seen->size, request.size());
  CHECK_EQ(resp_glance(BytesView(bytes).substr(seen->size))->second, "other");
  for (size_t size = 0; size < request.size(); size++) CHECK_FALSE(resp_glance(request.substr(0, size)).has_value());
}

TEST_CASE("a glance leaves to the parser whatever is odd") {
  for (BytesView odd : {"PING\r\n", "*1\r\n$4\r\nPING\r\n", "*-1\r\n", "*2\r\n$-1\r\n$1\r\na\r\n", "*2\r\n$3\r\nGET\r\n:1\r\n",
                        "*2\r\n$3\r\nGETxx$1\r\na\r\n", "*999999999\r\n$1\r\na\r\n", "*2\r\n$999999999\r\na\r\n", "*2\n$1\na\n",
                        "*2\r\n$3\r\nGET\r\n$1\r\nabc", "*02147483648\r\n", "*\r\n"})
    CHECK_FALSE(resp_glance(odd).has_value());
}
