#include "node/mesh_keys.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "crypto/hash.h"
#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;

TEST_CASE("a node's WireGuard keys are made once, for itself only, and outlive the agent") {
  testing::TemporaryFolder folder;
  auto keys = MeshKeys::open(folder / "keys");
  REQUIRE(keys.has_value());
  CHECK(keys->all().keys().empty());
  REQUIRE(keys->ensure(0, 0, 5).has_value());
  REQUIRE(keys->ensure(0, 0, 9).has_value());
  REQUIRE(keys->ensure(1001, 0, 9).has_value());
  struct stat status{};
  REQUIRE(::stat((folder / "keys").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  auto again = MeshKeys::open(folder / "keys");
  REQUIRE(again.has_value());
  REQUIRE(again->all().keys_size() == 2);
  CHECK(again->all().keys(0).since_ms() == 5);
  CHECK(again->of(0).at(0).key == keys->of(0).at(0).key);
  CHECK(again->of(0).at(0).port == network::kMeshPort);
  CHECK(again->of(1001).at(0).port != network::kMeshPort);
}

TEST_CASE("what is published is the public halves, and says which mesh secret it goes with") {
  testing::TemporaryFolder folder;
  auto keys = MeshKeys::open(folder / "keys");
  REQUIRE(keys.has_value());
  REQUIRE(keys->ensure(1001, 0, 1).has_value());
  REQUIRE(keys->ensure(0, 0, 2).has_value());
  pb::PublishKeys published = keys->published("secret");
  REQUIRE(published.keys_size() == 2);
  CHECK(published.keys(0).vni() == 0);
  CHECK(published.keys(0).key() == Bytes(keys->of(0).at(0).key.view()));
  CHECK(published.keys(0).key() != Bytes(keys->of(0).at(0).secret.view()));
  CHECK(published.mesh_secret_id() == crypto::blake2b("secret").bytes());
  CHECK(keys->published("").mesh_secret_id().empty());
  pb::Node record;
  CHECK(!is_published(published, record));
  *record.mutable_mesh_keys() = published.keys();
  CHECK(!is_published(published, record));
  record.set_mesh_secret_id(published.mesh_secret_id());
  CHECK(is_published(published, record));
  record.mutable_mesh_keys()->SwapElements(0, 1);  // the ledger has them in the order of their age
  CHECK(is_published(published, record));
  CHECK(recorded_keys(record).SerializeAsString() == published.SerializeAsString());
  record.mutable_mesh_keys(0)->set_port(1);
  CHECK(!is_published(published, record));
}

TEST_CASE("keys of networks that are gone go, those of the mesh stay; a broken file is not replaced") {
  testing::TemporaryFolder folder;
  auto keys = MeshKeys::open(folder / "keys");
  REQUIRE(keys.has_value());
  for (uint32_t vni : {0u, 1001u, 1002u}) REQUIRE(keys->ensure(vni, 0, 1).has_value());
  REQUIRE(keys->keep_only({1002}).has_value());
  CHECK(keys->of(1001).empty());
  CHECK(keys->of(1002).size() == 1);
  CHECK(keys->of(0).size() == 1);
  REQUIRE(io::write_file(folder / "keys", "broken", io::Durability::None).has_value());
  CHECK(!MeshKeys::open(folder / "keys").has_value());
  CHECK(*io::read_file(folder / "keys") == "broken");
}
