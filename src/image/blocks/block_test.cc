#include "image/blocks/block.h"

#include <doctest/doctest.h>

#include <sstream>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "image/blocks/compression.h"
#include "io/file.h"
#include "testing/simulated_random.h"
#include "testing/source_tree.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

// Half of the sizes near an edge; content from noise to one letter.
Bytes some_content(testing::SimulatedRandom& random) {
  constexpr uint64_t edges[] = {1, 2, 63, 4096, 65'536, kBlockBytes - 1, kBlockBytes};
  uint64_t size = random.chance(50) ? edges[random.below(std::size(edges))] : 1 + random.below(kBlockBytes);
  Bytes noise = random.bytes(random.chance(50) ? size : 1 + random.below(100));
  Bytes out;
  while (out.size() < size) out += noise.substr(0, size - out.size());
  return out;
}

Code code_of(const BlockRef& ref, BytesView stored, uint64_t plain_bytes) {
  Result<Bytes> plain = decode_block(ref, stored, plain_bytes);
  REQUIRE_FALSE(plain.has_value());
  return plain.error().code;
}

Bytes flipped(Bytes bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

// A block whose id and seal are right: only what is sealed inside is wrong.
StoredBlock sealed(BytesView inside) {
  StoredBlock block;
  block.ref.key = crypto::blake2b("any key");
  block.bytes = crypto::aes256_gcm_seal(block.ref.key.view(), block.ref.key.view().substr(0, 12), inside);
  block.ref.id = crypto::blake2b(block.bytes);
  return block;
}

}  // namespace

TEST_CASE("content of any size and kind comes back from its block") {
  testing::SimulatedRandom random(4);
  for (int i = 0; i < 60; ++i) {
    Bytes plain = some_content(random);
    OwnerSecret secret;
    if (random.chance(50)) secret = random.bytes(32);
    StoredBlock block = encode_block(plain, secret);
    CHECK_LE(block.bytes.size(), kStoredBytesMax);
    CHECK_EQ(block.ref.id, crypto::blake2b(block.bytes));
    auto back = decode_block(block.ref, block.bytes, plain.size());
    REQUIRE(back.has_value());
    CHECK(*back == plain);
    CHECK(encode_block(plain, secret).bytes == block.bytes);
  }
}

TEST_CASE("blocks that other people's libraries made are read, and have our keys") {
  // golden.txt is made by make_golden.py beside it. Snappy may be packed in several ways, so what others make is
  // read; only the keys must be equal.
  std::istringstream lines(io::read_file(testing::source_tree() + "/src/image/blocks/testdata/golden.txt").value());
  std::string secret_hex, plain_hex, id, key, stored_hex;
  int seen = 0;
  while (lines >> secret_hex >> plain_hex >> id >> key >> stored_hex) {
    Bytes plain = from_hex(plain_hex).value(), stored = from_hex(stored_hex).value();
    OwnerSecret secret;
    if (secret_hex != "-") secret = from_hex(secret_hex).value();
    BlockRef ref{Hash::from_hex(id).value(), Hash::from_hex(key).value()};
    CHECK_EQ(decode_block(ref, stored, plain.size()).value(), plain);
    CHECK_EQ(encode_block(plain, secret).ref.key, ref.key);
    ++seen;
  }
  CHECK_EQ(seen, 6);
}

TEST_CASE("a private block shares neither id nor key with the public one, nor with another owner's") {
  Bytes plain(1000, 'a');
  BlockRef open = encode_block(plain).ref;
  BlockRef first = encode_block(plain, Bytes(32, '1')).ref;
  BlockRef second = encode_block(plain, Bytes(32, '2')).ref;
  CHECK_NE(open.id, first.id);
  CHECK_NE(open.key, first.key);
  CHECK_NE(first.id, second.id);
  CHECK_NE(first.key, second.key);
}

TEST_CASE("a bit flipped anywhere in the bytes, the id or the key is found") {
  Bytes plain = "a small block with a run: " + Bytes(300, 'r');
  StoredBlock block = encode_block(plain);
  for (size_t bit = 0; bit < block.bytes.size() * 8; ++bit) {
    Bytes wrong = flipped(block.bytes, bit);
    CHECK_EQ(code_of(block.ref, wrong, plain.size()), Code::Corrupt);
    // Even when the id follows the damage, the seal does not.
    CHECK_EQ(code_of({crypto::blake2b(wrong), block.ref.key}, wrong, plain.size()), Code::Corrupt);
  }
  for (size_t bit = 0; bit < 256; ++bit) {
    Hash id = Hash::from_bytes(flipped(block.ref.id.bytes(), bit)).value();
    Hash key = Hash::from_bytes(flipped(block.ref.key.bytes(), bit)).value();
    CHECK_EQ(code_of({id, block.ref.key}, block.bytes, plain.size()), Code::Corrupt);
    CHECK_EQ(code_of({block.ref.id, key}, block.bytes, plain.size()), Code::Corrupt);
  }
}

TEST_CASE("a block that was cut, lengthened or is of another size is found") {
  Bytes plain(5000, 'p');
  StoredBlock block = encode_block(plain);
  for (size_t size = 0; size < block.bytes.size(); ++size) {
    Bytes cut = block.bytes.substr(0, size);
    CHECK_EQ(code_of(block.ref, cut, plain.size()), Code::Corrupt);
    CHECK_EQ(code_of({crypto::blake2b(cut), block.ref.key}, cut, plain.size()), Code::Corrupt);
  }
  CHECK_EQ(code_of(block.ref, block.bytes + "x", plain.size()), Code::Corrupt);
  CHECK_EQ(code_of(block.ref, Bytes(kStoredBytesMax + 1, 'x'), plain.size()), Code::Corrupt);
  for (uint64_t size : {uint64_t{0}, uint64_t{4999}, uint64_t{5001}, kBlockBytes + 1, UINT64_MAX}) {
    CHECK_EQ(code_of(block.ref, block.bytes, size), Code::Corrupt);
  }
}

TEST_CASE("what is sealed but no compressed block is refused, however large it says it is") {
  for (Bytes inside : {Bytes(), Bytes("\xff\xff\xff\xff\x0f", 5), Bytes("\xff\xff\xff\xff\xff\xff", 6),
                       Bytes("\x64", 1), Bytes("\x64\xff\xff\xff\xff", 5), Bytes("\x64\x01\xff\xff", 4)}) {
    StoredBlock block = sealed(inside);
    CHECK_EQ(code_of(block.ref, block.bytes, 100), Code::Corrupt);
  }
  // Bytes after a whole block are no block either.
  StoredBlock longer = sealed(compress(Bytes(100, 'x')) + "y");
  CHECK_EQ(code_of(longer.ref, longer.bytes, 100), Code::Corrupt);
}

TEST_CASE("an error names the block and what does not match") {
  StoredBlock block = encode_block("abc");
  Error error = decode_block(block.ref, "abd", 3).error();
  CHECK_EQ(error.message,
           "block " + block.ref.id.hex() + ": its bytes are those of " + crypto::blake2b("abd").hex());
  error = decode_block(block.ref, block.bytes, 4).error();
  CHECK_EQ(error.message, "block " + block.ref.id.hex() + ": the compressed bytes become 3 bytes instead of 4");
}

TEST_CASE("a block of zeros is known by its key") {
  CHECK_EQ(encode_block(Bytes(kBlockBytes, '\0')).ref.key, zero_block_key());
  CHECK_NE(encode_block(Bytes(kBlockBytes - 1, '\0')).ref.key, zero_block_key());
}
