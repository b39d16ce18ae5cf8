#include "cli/parameters.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::cli;

namespace {

PublicKey key(char letter) { return PublicKey::from_bytes(Bytes(PublicKey::kSize, letter)).value(); }

Result<PublicKey> key_of(std::string_view name) {
  if (name == "ida") return key('i');
  if (name == "bob") return key('b');
  return make_error(Code::NotFound, "there is no identity \"" + std::string(name) + "\"");
}

pb::Parameters parameters() {
  pb::Parameters some;
  some.set_fence_after_ms(5000);
  some.set_mass_loss_window_ms(10'000);
  some.set_exclusion_ms(10'000);
  some.set_tries_max(3);
  some.set_logic_version(1);
  some.add_governors(key('i').bytes());
  return some;
}

std::string refusal(std::string_view assignment) {
  pb::Parameters some = parameters();
  Status set = set_parameter(some, assignment, key_of);
  REQUIRE_FALSE(set.has_value());
  return set.error().message;
}

}  // namespace

TEST_CASE("every parameter that is shown is set under the same name and in the same words") {
  pb::Parameters some = parameters();
  for (const char* assignment : {"fence_after=8s", "mass_loss_window=1m", "exclusion=500ms", "tries_max=7",
                                 "governors=ida,bob,ida", "next_logic_version=2", "next_logic_height=900"}) {
    CAPTURE(assignment);
    REQUIRE(set_parameter(some, assignment, key_of));
  }
  CHECK_EQ(some.fence_after_ms(), 8000);
  CHECK_EQ(some.tries_max(), 7);
  REQUIRE_EQ(some.governors_size(), 2);
  CHECK_EQ(some.governors(0), key('b').bytes());  // sorted, as the ledger wants them
  auto words = words_of(some, [](const PublicKey& who) { return std::string(1, who.bytes()[0]); });
  std::string shown;
  for (const ParameterWord& word : words) shown += word.name + "=" + word.value + " ";
  CHECK_EQ(shown,
           "fence_after=8s mass_loss_window=1m exclusion=500ms tries_max=7 governors=b,i logic_version=1 "
           "next_logic_version=2 next_logic_height=900 ");
}

TEST_CASE("a wrong assignment says what is allowed") {
  CHECK_NE(refusal("fence_after").find("NAME=VALUE"), std::string::npos);
  CHECK_NE(refusal("fence_afer=8s").find("did you mean \"fence_after\"?"), std::string::npos);
  CHECK_NE(refusal("frob=8s").find("tries_max"), std::string::npos);
  CHECK_NE(refusal("fence_after=8").find("unit"), std::string::npos);
  CHECK_NE(refusal("tries_max=-1").find("whole number"), std::string::npos);
  CHECK_NE(refusal("tries_max=4294967296").find("whole number"), std::string::npos);
  CHECK_NE(refusal("logic_version=2").find("next_logic_version"), std::string::npos);
  CHECK_NE(refusal("governors=zoe").find("zoe"), std::string::npos);
  CHECK_NE(refusal("governors=").find("identity"), std::string::npos);
}
