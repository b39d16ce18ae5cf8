#include "apps/publications.h"

#include <doctest/doctest.h>

#include "base/ids.h"

using namespace mcloud;
using namespace mcloud::apps;

namespace {

const ContractId kOne = *ContractId::from_hex("01000000" + std::string(56, '0'));
const ContractId kOther = *ContractId::from_hex("02000000" + std::string(56, '0'));

pb::Node node(const std::string& uplink, const std::vector<std::string>& claims, const ContractId& contract = kOne) {
  pb::Node node;
  node.mutable_addresses()->set_uplink(uplink);
  for (const std::string& name : claims) {
    pb::NodeClaim& claim = *node.add_claims();
    claim.set_name(name);
    claim.set_contract(contract.bytes());
  }
  return node;
}

}  // namespace

TEST_CASE("a port is forwarded to every node that holds it") {
  Publications found = publications_of({node("10.0.0.2", {"tcp/80", "tcp/8080"}), node("10.0.0.1", {"tcp/8080"})});
  REQUIRE_EQ(found.size(), 2);
  CHECK_EQ(found["tcp-8080-01000000"].port, 8080);
  CHECK_EQ(found["tcp-8080-01000000"].targets, std::vector<std::string>{"10.0.0.1:8080", "10.0.0.2:8080"});
}

TEST_CASE("two contracts that publish the same port have a forward each") {
  Publications found = publications_of({node("10.0.0.1", {"tcp/8080"}), node("10.0.0.2", {"tcp/8080"}, kOther)});
  CHECK_EQ(found["tcp-8080-01000000"].targets, std::vector<std::string>{"10.0.0.1:8080"});
  CHECK_EQ(found["tcp-8080-02000000"].targets, std::vector<std::string>{"10.0.0.2:8080"});
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
  CHECK_EQ(found["tcp-1-01000000"].targets.size(), 2);
  CHECK_FALSE(found.contains("tcp-300-01000000"));
}
