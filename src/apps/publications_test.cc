#include "apps/publications.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::apps;

namespace {

pb::Node node(const std::string& uplink, const std::vector<std::string>& claims) {
  pb::Node node;
  node.mutable_addresses()->set_uplink(uplink);
  for (const std::string& claim : claims) node.add_claims()->set_name(claim);
  return node;
}

}  // namespace

TEST_CASE("a port is forwarded to every node that holds it") {
  Publications found = publications_of({node("10.0.0.2", {"tcp/80", "tcp/8080"}), node("10.0.0.1", {"tcp/8080"})});
  REQUIRE_EQ(found.size(), 2);
  CHECK_EQ(found["tcp-8080"].port, 8080);
  CHECK_EQ(found["tcp-8080"].targets, std::vector<std::string>{"10.0.0.1:8080", "10.0.0.2:8080"});
}

TEST_CASE("what is no TCP port, or on a node without an uplink, is not forwarded") {
  CHECK(publications_of(
            {node("10.0.0.1", {"udp/53", "tcp/0", "tcp/65536", "tcp/8o", "tcp/", "name/x"}), node("", {"tcp/80"})})
            .empty());
}

TEST_CASE("there is a bound on ports, and those that are there keep their nodes") {
  std::vector<std::string> many;
  for (int port = 1; port <= 300; port++) many.push_back("tcp/" + std::to_string(port));
  Publications found = publications_of({node("10.0.0.1", many), node("10.0.0.2", {"tcp/1", "tcp/300"})});
  CHECK_EQ(found.size(), kPublicationsMax);
  CHECK_EQ(found["tcp-1"].targets.size(), 2);
  CHECK_FALSE(found.contains("tcp-300"));
}
