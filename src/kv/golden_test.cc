// One small namespace's files, byte by byte: what docs/reference/kv-log.md describes cannot change unseen.
#include <algorithm>

#include "io/file.h"
#include "kv/log/recovery.h"
#include "kv/meta.h"
#include "kv/test_store.h"
#include "testing/source_tree.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

std::string hex_lines(const std::string& name, const Bytes& bytes) {
  std::string out = "== " + name + "\n";
  for (size_t at = 0; at < bytes.size(); at += 32) out += to_hex(BytesView(bytes).substr(at, 32)) + "\n";
  return out;
}

}  // namespace

TEST_CASE("the files of a namespace are those of the golden file") {
  TestStore t;
  t.close();
  // Secrets that are the same each time.
  Meta meta{.salt = 0x01020304, .hash = {5, 6}, .settings = {.durability = Durability::Always, .password = "pw"}};
  REQUIRE(save_meta(t.disk, "/data/spaces/default", meta).has_value());
  REQUIRE(t.disk.remove("/data/spaces/default/000000000000.log").has_value());
  t.open();
  t.put("apple", "red");
  REQUIRE(t.sync(t.space->figures().end).has_value());
  t.clock.advance(5);
  {
    auto writer = *t.space->writer(9);
    writer->begin();
    REQUIRE(writer->put("apple", "green").has_value());
    REQUIRE(writer->put("pear", "").has_value());
    REQUIRE(writer->remove("pear").has_value());
    REQUIRE(writer->commit().has_value());
    REQUIRE(writer->put("plum", "blue", {.expiry_ms = 1'700'000'060'000}).has_value());
  }
  t.close();
  std::string found;
  for (const std::string& name : t.files()) {
    Bytes bytes = read_whole(t.disk, "/data/spaces/default/" + name, 1 << 20).value();
    if (name == "meta") {
      // The mark of a generation is random.
      Meta now = parse_meta(bytes).value();
      REQUIRE_EQ(now.lineage.size(), 1);
      now.lineage[0].mark = 7;
      bytes = encode_meta(now);
    }
    found += name == "meta" ? "== meta\n" + bytes : hex_lines(name, bytes);
  }
  const std::string path = testing::source_tree() + "/src/kv/testdata/namespace.golden";
  // MCLOUD_WRITE_GOLDEN=1 writes it anew: only together with a new version of the format.
  if (std::getenv("MCLOUD_WRITE_GOLDEN") != nullptr)
    REQUIRE(io::write_file(path, found, io::Durability::None).has_value());
  CHECK_EQ(found, io::read_file(path).value());
}

TEST_CASE("a meta file is read as it was written, and a changed or later one is refused") {
  Meta meta{.salt = 7,
            .hash = {1, 2},
            .first = 8,
            .baseline = {3, 4, 5},
            .lineage = {{1, 1, 9, 0}, {2, 1, 8, 16}},
            .epoch = 6};
  Bytes text = encode_meta(meta);
  CHECK_EQ(encode_meta(parse_meta(text).value()), text);
  for (size_t at = 0; at < text.size(); ++at) {
    Bytes changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    CHECK_FALSE(parse_meta(changed).has_value());
    CHECK_FALSE(parse_meta(text.substr(0, at)).has_value());
  }
  CHECK_EQ(parse_meta("mcloud-kv 2\nanything").error().code, Code::Unsupported);
}
