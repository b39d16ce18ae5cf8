#include "kv/index/hash.h"

#include <bit>

#include "kv/log/bytes.h"

namespace mcloud::kv {
namespace {

struct State {
  uint64_t a, b, c, d;

  void round() {
    a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16) ^ c;
    a += d, d = std::rotl(d, 21) ^ a;
    c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
  }
  void take(uint64_t word) {
    d ^= word;
    round();
    a ^= word;
  }
};

}  // namespace

uint64_t hash_key(const HashKey& secret, BytesView key) {
  State state{secret.first ^ 0x736f6d6570736575, secret.second ^ 0x646f72616e646f6d, secret.first ^ 0x6c7967656e657261,
              secret.second ^ 0x7465646279746573};
  size_t whole = key.size() & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) state.take(load<uint64_t>(key.data() + i));
  uint64_t last = static_cast<uint64_t>(key.size()) << 56;
  for (size_t i = whole; i < key.size(); ++i) last |= uint64_t{static_cast<uint8_t>(key[i])} << (8 * (i - whole));
  state.take(last);
  state.c ^= 0xff;
  for (int i = 0; i < 3; ++i) state.round();
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace mcloud::kv
