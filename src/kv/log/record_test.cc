#include "kv/log/record.h"

#include <doctest/doctest.h>

#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"
#include "kv/log/reader.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

constexpr uint32_t kSalt = 0x5a17;

Bytes record(uint64_t position, BytesView key, BytesView value, uint64_t durable = 0,
             std::optional<uint64_t> expiry_ms = {}) {
  Bytes out;
  Header header{.position = position, .sequence = 1, .time_ms = 2, .epoch = 3, .expiry_ms = expiry_ms};
  if (position > 8) header.previous = 8;
  append_record(out, header, key, value);
  finish_record(out.data(), durable, false, kSalt);
  return out;
}

RecordReader reader_of(const Bytes& log) {
  return {[&log](uint64_t offset, char* to, size_t size) -> Result<size_t> { return log.copy(to, size, offset); }, 0,
          log.size(), kSalt, 0};
}

// "record 0-80, gap 80-160, ..."
std::string walk(const Bytes& log) {
  RecordReader reader = reader_of(log);
  std::string told;
  while (true) {
    RecordReader::Item item = reader.next().value();
    if (item.kind == RecordReader::Item::Kind::End) return told;
    told += item.kind == RecordReader::Item::Kind::Record ? "record " : item.is_zero ? "zeros " : "gap ";
    told += std::to_string(item.begin) + "-" + std::to_string(item.end) + " ";
  }
}

}  // namespace

TEST_CASE("CRC-32C is that of RFC 3720, in one piece and in many, at any length") {
  CHECK_EQ(crc32c("123456789"), 0xe3069283);
  CHECK_EQ(crc32c(Bytes(32, '\0')), 0x8a9136aa);
  CHECK_EQ(crc32c(Bytes(32, '\xff')), 0x62a8ab43);
  Bytes bytes = testing::SimulatedRandom(1).bytes(20'000);
  uint32_t slow = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    slow = crc32c(BytesView(bytes).substr(i, 1), slow);
    if (i % 61 == 0 || i > 19'900) CHECK_EQ(crc32c(BytesView(bytes).substr(0, i + 1)), slow);
  }
}

TEST_CASE("a record is read as it was written, and no bit of it can change unseen") {
  Bytes bytes = record(24, "key", "value", 16);
  CHECK_EQ(bytes.size(), 72);
  Header header = *parse_header(bytes, 24);
  CHECK(head_is_sound(header, bytes, kSalt));
  CHECK(value_is_sound(header, "value"));
  CHECK_EQ(header.sequence, 1);
  CHECK_EQ(header.time_ms, 2);
  CHECK_EQ(header.previous, 8);
  CHECK_EQ(header.epoch, 3);
  CHECK_EQ(header.durable(), 16);
  CHECK_FALSE(head_is_sound(header, bytes, kSalt + 1));
  CHECK_FALSE(parse_header(bytes, 32));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    auto read = parse_header(flipped, 24);
    bool is_sound =
        read && head_is_sound(*read, flipped, kSalt) && value_is_sound(*read, BytesView(flipped).substr(67, 5));
    CHECK_FALSE(is_sound);
  }
}

TEST_CASE("a record that expires says so behind its key, and no bit of it can change unseen") {
  Bytes bytes = record(24, "key", "value", 16, 0x0102030405060708);
  CHECK_EQ(bytes.size(), 80);
  CHECK_EQ(bytes.substr(64, 16), Bytes("key\x08\x07\x06\x05\x04\x03\x02\x01value"));
  Header header = *parse_header(bytes, 24);
  CHECK_EQ(header.expiry_ms, 0x0102030405060708);
  CHECK_EQ(header.head_bytes(), 75);
  CHECK_EQ(header.end(), 24 + 80);
  CHECK_EQ(header.live_bytes(), 8);
  CHECK(head_is_sound(header, bytes, kSalt));
  CHECK_FALSE(head_is_sound(header, BytesView(bytes).substr(0, 74), kSalt));
  CHECK_FALSE(header.is_expired(0x0102030405060707));
  CHECK(header.is_expired(0x0102030405060708));
  // The 64 bytes alone say that there is one.
  Header early = *parse_header(BytesView(bytes).substr(0, 64), 24);
  CHECK_EQ(early.head_bytes(), 75);
  read_expiry(early, bytes);
  CHECK_EQ(early.expiry_ms, header.expiry_ms);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    auto read = parse_header(flipped, 24);
    bool is_sound =
        read && head_is_sound(*read, flipped, kSalt) && value_is_sound(*read, BytesView(flipped).substr(75, 5));
    CHECK_FALSE(is_sound);
  }
  Bytes deletion = bytes;
  deletion[8] = 1 | 8;
  CHECK_FALSE(parse_header(deletion, 24));
  Bytes unknown = bytes;
  unknown[8] = 16;
  CHECK_FALSE(parse_header(unknown, 24));
}

TEST_CASE("a position that was durable long ago is not claimed to be known") {
  Bytes bytes = record(uint64_t{1} << 40, "k", "v", 8);
  CHECK_EQ(parse_header(bytes, uint64_t{1} << 40)->durable(), 0);
}

TEST_CASE("the reader walks, and finds its way behind what is no record") {
  Bytes log;
  for (int i = 0; i < 4; ++i) log += record(log.size(), "key", "valu" + std::to_string(i));
  CHECK_EQ(walk(log), "record 0-72 record 72-144 record 144-216 record 216-288 ");
  CHECK_EQ(walk(log.substr(0, 280)), "record 0-72 record 72-144 record 144-216 gap 216-280 ");
  CHECK_EQ(walk(log + Bytes(4096, '\0')), "record 0-72 record 72-144 record 144-216 record 216-288 zeros 288-4384 ");
  Bytes value = log;
  value[72 + 68] = 'X';
  CHECK_EQ(walk(value), "record 0-72 gap 72-144 record 144-216 record 216-288 ");
  Bytes head = log;
  head[72 + 40] = 'X';
  CHECK_EQ(walk(head), "record 0-72 gap 72-144 record 144-216 record 216-288 ");
  Bytes hole = log.replace(72, 144, Bytes(144, '\0'));
  CHECK_EQ(walk(hole), "record 0-72 zeros 72-216 record 216-288 ");
  Bytes expiring = record(0, "key", "value", 0, 9) + record(80, "key", "value");
  CHECK_EQ(walk(expiring), "record 0-80 record 80-152 ");
  CHECK_EQ(walk(expiring.substr(0, 72)), "gap 0-72 ");
  expiring[67] = 'X';
  CHECK_EQ(walk(expiring), "gap 0-80 record 80-152 ");
}

TEST_CASE("a record far behind a hole of zeros is found, wherever a window ends") {
  for (uint64_t far : {uint64_t{1} << 20, (uint64_t{1} << 20) - 8, (uint64_t{1} << 20) - 64, uint64_t{2'097'088},
                       uint64_t{3'000'000}}) {
    Bytes log(far, '\0');
    log += record(far, "key", "value");
    CHECK_EQ(walk(log), "zeros 0-" + std::to_string(far) + " record " + std::to_string(far) + "-" +
                            std::to_string(far + 72) + " ");
  }
}

TEST_CASE("a value that looks like a record is not taken for one: its writer does not know the salt") {
  Bytes inner;
  append_record(inner, {.position = 72 + 72, .sequence = 9}, "key", "evil!");
  finish_record(inner.data(), 0, false, 0);
  Bytes log = record(0, "key", "value");
  log += record(72, "k", Bytes(7, ' ') + inner);
  log[72 + 40] = 'X';
  CHECK_EQ(walk(log), "record 0-72 gap 72-216 ");
}
