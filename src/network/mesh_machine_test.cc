#include <doctest/doctest.h>

#include "network/links.h"
#include "network/mesh_bench_test.h"
#include "network/netns.h"

using namespace mcloud;
using namespace mcloud::network;

TEST_CASE("two nodes reach each other through the mesh, and applying again changes nothing") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  CHECK_GT(nodes.apply_mesh(0), 0);
  CHECK_GT(nodes.apply_mesh(1), 0);
  CHECK(ping(nodes.mesh(0), nodes.address(1)));
  CHECK(ping(nodes.mesh(1), nodes.address(0), 1420 - 28));
  CHECK_EQ(nodes.apply_mesh(0), 0);
  CHECK_EQ(nodes.apply_mesh(1), 0);
  CHECK_FALSE(ping(nodes.places[0], nodes.address(1)));
}
