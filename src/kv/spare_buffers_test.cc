#include "kv/spare_buffers.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::kv;

TEST_CASE("a large buffer that was given is the next large one, with what the small one held") {
  SpareBuffers spares;
  Bytes large(1 << 20, 'x');
  const char* memory = large.data();
  spares.give(large);
  CHECK_EQ(large.capacity(), Bytes().capacity());
  CHECK(spares.bytes() >= 1 << 20);
  Bytes next = "begun";
  spares.grow(next, 1 << 19);
  CHECK_EQ(next, "begun");
  CHECK(next.data() == memory);
  CHECK_EQ(spares.bytes(), 0);
  Bytes other = "begun";
  spares.grow(other, 1 << 19);
  CHECK_EQ(other, "begun");
  CHECK(other.capacity() >= 1 << 19);
}

TEST_CASE("spare buffers are bounded, and the smallest that is large enough is taken") {
  SpareBuffers spares;
  for (size_t size : {3 << 20, 1 << 20, 2 << 20}) {
    Bytes buffer(size, 'x');
    spares.give(buffer);
  }
  Bytes wanted;
  spares.grow(wanted, (1 << 20) + 1);
  CHECK(wanted.capacity() >= 2 << 20);
  CHECK(wanted.capacity() < 3 << 20);
  for (int i = 0; i < 100; i++) {
    Bytes buffer(1 << 20, 'x');
    spares.give(buffer);
    CHECK(spares.bytes() <= SpareBuffers::kBytesMax);
  }
  spares.clear();
  CHECK_EQ(spares.bytes(), 0);
}
