#include "wallet/token_text.h"

#include <doctest/doctest.h>

#include "wallet/transactions.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::wallet;

namespace {

crypto::SigningKey owner() { return crypto::SigningKey::from_seed(Bytes(32, 'o')).value(); }
pb::SignedJoinToken some_token() { return join_token(owner(), "home", "barn", 1'800'000'000'000); }

}  // namespace

TEST_CASE("a token's text carries the permission and the farm's secret") {
  pb::SignedJoinToken token = some_token();
  const Bytes secret = mesh_secret(owner(), "barn");
  const std::string text = token_text(token, secret);
  CHECK(text.starts_with("mcloud-token-1:"));
  Result<CarriedToken> carried = parse_token_text(text);
  REQUIRE(carried.has_value());
  CHECK_EQ(carried->token, wire::encode(token));
  CHECK_EQ(carried->mesh_secret, secret);
}

TEST_CASE("a text of the older form carries the permission alone") {
  pb::SignedJoinToken token = some_token();
  Result<CarriedToken> carried = parse_token_text(to_base64(wire::encode(token)));
  REQUIRE(carried.has_value());
  CHECK_EQ(carried->token, wire::encode(token));
  CHECK(carried->mesh_secret.empty());
}

TEST_CASE("the mesh secret is one farm's and one owner's, and the same each time") {
  CHECK_EQ(mesh_secret(owner(), "barn").size(), kMeshSecretSize);
  CHECK_EQ(mesh_secret(owner(), "barn"), mesh_secret(owner(), "barn"));
  CHECK_NE(mesh_secret(owner(), "barn"), mesh_secret(owner(), "shed"));
  CHECK_NE(mesh_secret(owner(), "barn"), mesh_secret(crypto::SigningKey::from_seed(Bytes(32, 'p')).value(), "barn"));
}

TEST_CASE("a damaged text is refused, whichever character it is") {
  const std::string text = token_text(some_token(), mesh_secret(owner(), "barn"));
  for (size_t i = 0; i < text.size(); ++i) {
    CAPTURE(i);
    std::string damaged = text;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(parse_token_text(damaged).has_value());
    CHECK_FALSE(parse_token_text(text.substr(0, i)).has_value());
  }
}

TEST_CASE("what is no token is refused, and no message tells a secret") {
  const Bytes secret = mesh_secret(owner(), "barn");
  for (const std::string& text : {std::string(), std::string("***"), std::string("mcloud-token-1:"), to_base64("hello"),
                                  "mcloud-token-1:" + to_base64(secret), "mcloud-token-2:" + to_base64(secret),
                                  std::string(5000, 'A')}) {
    CAPTURE(text);
    Result<CarriedToken> carried = parse_token_text(text);
    REQUIRE_FALSE(carried.has_value());
    CHECK_EQ(carried.error().message.find(to_base64(secret).substr(0, 12)), std::string::npos);
  }
}
