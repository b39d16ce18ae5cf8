#include "ledger/engine/blobs.h"

#include "crypto/hash.h"
#include "io/file.h"
#include "ledger/engine/test_server.h"
#include "testing/simulated_clock.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr Blobs::Limits kSmall = {
    .blob_bytes_max = 100, .blob_cost_min = 1, .kept_bytes_max = 250, .new_bytes_max = 250, .new_age_min_ms = 1'000};

struct Fixture {
  testing::TemporaryFolder folder;
  testing::SimulatedClock clock;
  std::unique_ptr<Blobs> open() { return must(Blobs::open(folder.path(), clock, kSmall)); }
};

}  // namespace

TEST_CASE("a blob is found by its hash, also after a restart, and twice is once") {
  Fixture fixture;
  Hash hash = must(fixture.open()->put("content"));
  CHECK(hash == crypto::blake2b("content"));
  auto blobs = fixture.open();
  CHECK(must(blobs->get(hash)) == "content");
  CHECK(must(blobs->put("content")) == hash);
  CHECK(blobs->new_bytes() == 7);
}

TEST_CASE("a blob that is empty or too large is refused") {
  Fixture fixture;
  auto blobs = fixture.open();
  CHECK(blobs->put("").error().code == Code::Invalid);
  CHECK(blobs->put(Bytes(101, 'x')).error().code == Code::Invalid);
  CHECK(blobs->put(Bytes(100, 'x')).has_value());
}

TEST_CASE("uploads that nothing names are bounded: old ones give way, young ones do not") {
  Fixture fixture;
  auto blobs = fixture.open();
  Hash first = must(blobs->put(Bytes(100, 'a')));
  fixture.clock.advance(500);
  must(blobs->put(Bytes(100, 'b')));
  CHECK(blobs->put(Bytes(100, 'c')).error().code == Code::Exhausted);
  fixture.clock.advance(600);
  CHECK(blobs->put(Bytes(100, 'c')).has_value());
  CHECK(blobs->get(first).error().code == Code::NotFound);
  CHECK(blobs->put(Bytes(100, 'd')).error().code == Code::Exhausted);
}

TEST_CASE("a blob that a contract names stays, whether it came before or after") {
  Fixture fixture;
  Hash early = crypto::blake2b(Bytes(100, 'e'));
  Hash late = crypto::blake2b(Bytes(100, 'l'));
  {
    auto blobs = fixture.open();
    must(blobs->put(Bytes(100, 'e')));
    must(blobs->keep(early));
    must(blobs->keep(late));
    must(blobs->keep(Hash()));
    must(blobs->put(Bytes(100, 'l')));
    CHECK(blobs->kept_bytes() == 200);
    CHECK(blobs->new_bytes() == 0);
  }
  auto blobs = fixture.open();
  fixture.clock.advance(100'000);
  for (char c = 'm'; c < 'z'; ++c) must(blobs->put(Bytes(100, c))), fixture.clock.advance(10'000);
  CHECK(must(blobs->get(early)) == Bytes(100, 'e'));
  CHECK(must(blobs->get(late)) == Bytes(100, 'l'));
  Hash third = crypto::blake2b(Bytes(90, '3'));
  must(blobs->keep(third));
  CHECK(blobs->put(Bytes(90, '3')).error().code == Code::Exhausted);
}

TEST_CASE("what is kept is bounded, whichever way it came; the rest is served while there is room for uploads") {
  Fixture fixture;
  auto blobs = fixture.open();
  std::vector<Hash> hashes;
  for (char letter : {'a', 'b', 'c'}) {
    hashes.push_back(must(blobs->put(Bytes(80, letter))));
    fixture.clock.advance(10'000);
  }
  must(blobs->put(Bytes(10, 'd')));
  must(blobs->keep(hashes[0]));
  must(blobs->keep(hashes[1]));
  must(blobs->keep(hashes[2]));
  CHECK(blobs->keep(crypto::blake2b(Bytes(10, 'd'))).has_value());
  Hash fifth = must(blobs->put(Bytes(10, 'e')));
  CHECK(blobs->keep(fifth).error().code == Code::Exhausted);
  CHECK(blobs->kept_bytes() == 250);
  CHECK(must(blobs->get(fifth)) == Bytes(10, 'e'));
}

TEST_CASE("small blobs cannot use up the disk's files: each counts as a block of the disk") {
  Fixture fixture;
  Blobs::Limits limits = kSmall;
  limits.blob_cost_min = 100;
  auto blobs = must(Blobs::open(fixture.folder.path(), fixture.clock, limits));
  must(blobs->put("a"));
  must(blobs->put("b"));
  CHECK(blobs->put("c").error().code == Code::Exhausted);
  CHECK(blobs->new_bytes() == 200);
}

TEST_CASE("a damaged file is reported, not handed out; a foreign one is not taken for a blob") {
  Fixture fixture;
  Hash hash = must(fixture.open()->put("content"));
  std::string path = fixture.folder / ("new/" + hash.hex());
  must(io::write_file(path, "c0ntent", io::Durability::None));
  CHECK(fixture.open()->get(hash).error().code == Code::Corrupt);
  must(io::write_file(fixture.folder / "new/readme", "x", io::Durability::None));
  CHECK(Blobs::open(fixture.folder.path(), fixture.clock, kSmall).error().code == Code::Corrupt);
}
