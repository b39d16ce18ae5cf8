#include "contract/disclosure.h"

#include <doctest/doctest.h>

#include <set>

#include "contract/test_fixture.h"

using namespace mcloud;
using namespace mcloud::contract;
using namespace mcloud::contract::fixture;

namespace {

Disclosure disclosure(const Compiled& made, std::string_view workload) {
  for (const Disclosure& found : disclosures({made.header, made.body})) {
    if (found.workload == workload) return found;
  }
  return {};
}

}  // namespace

TEST_CASE("a plan says of each publication at gateways who could read it") {
  const Compiled made = compiled(kReach);
  CHECK_EQ(disclosure(made, "shop").who, "the gateways, which end its TLS");
  CHECK_EQ(disclosure(made, "own").who, "the gateways, which end its TLS");
  CHECK_EQ(disclosure(made, "plain").who, "the gateways, and everybody on the way to them: it has no TLS");
  CHECK_EQ(disclosure(made, "sni").who, "nobody in between: web ends TLS, gateways see names and sizes");
  CHECK_EQ(disclosure(made, "sql").who, "the gateways, and everybody on the way to them, unless store encrypts it");
  CHECK(disclosure(made, "shop").gateways_read);
  CHECK_FALSE(disclosure(made, "sni").gateways_read);
}

TEST_CASE("a plan says of each network whether it is encrypted and who may join") {
  const Compiled made = compiled(kReach);
  CHECK_EQ(disclosure(made, "front").who, "its own nodes; encrypted between them, with the nodes' keys");
  CHECK_EQ(disclosure(made, "lan").who,
           "everybody on the backplane: it is not encrypted, and everybody on office, to which it is bridged");
  CHECK_FALSE(disclosure(made, "lan").devices);
  const Disclosure back = disclosure(made, "back");
  CHECK_EQ(back.who, "its own nodes; encrypted between them, with keys of its own");
  CHECK(back.devices);
  CHECK_EQ(std::set<Bytes>(back.members.begin(), back.members.end()),
           std::set<Bytes>{key_named("ida").public_key().bytes(), key_named("lena").public_key().bytes()});
}

TEST_CASE("a contract without gateways and networks discloses nothing") {
  const Compiled made = compiled("name: a\nworkloads: {web: {kind: container, image: \"oci:./web\", networks: []}}\n");
  CHECK(disclosures({made.header, made.body}).empty());
}
