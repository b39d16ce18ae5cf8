#include "wallet/token_book.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "io/file.h"
#include "testing/temporary_folder.h"
#include "wallet/transactions.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::wallet;
using Folder = mcloud::testing::TemporaryFolder;

namespace {

constexpr uint64_t kNow = 1'700'000'000'000;

pb::SignedJoinToken made(std::string_view chain, uint64_t expires_ms) {
  return join_token(crypto::SigningKey::generate(), chain, "barn", expires_ms);
}

pb::JoinToken inner(const pb::SignedJoinToken& token) {
  return wire::decode<pb::JoinToken>(token.token(), "token").value();
}

unsigned mode_of(const std::string& path) {
  struct stat facts{};
  REQUIRE_EQ(lstat(path.c_str(), &facts), 0);
  return facts.st_mode & 0777;
}

}  // namespace

TEST_CASE("tokens are kept per chain, soonest expiry first, and read back whole") {
  Folder folder;
  TokenBook book(folder / "tokens");
  CHECK(book.list("one")->empty());
  pb::JoinToken late = inner(made("one", kNow + 20)), soon = inner(made("one", kNow + 10));
  for (const pb::JoinToken& token : {late, soon, inner(made("two", kNow + 5))}) REQUIRE(book.add(token, kNow));
  std::vector<pb::JoinToken> listed = TokenBook(folder / "tokens").list("one").value();
  REQUIRE_EQ(listed.size(), 2);
  CHECK_EQ(wire::encode(listed[0]), wire::encode(soon));
  CHECK_EQ(wire::encode(listed[1]), wire::encode(late));
  CHECK_EQ(token_id(listed[0]), to_hex(soon.nonce()).substr(0, 8));
}

TEST_CASE("what is kept is for its owner only and lets nobody join") {
  Folder folder;
  TokenBook book(folder / "tokens");
  pb::SignedJoinToken token = made("one", kNow);
  REQUIRE(book.add(inner(token), kNow));
  std::string path = folder / "tokens/" + to_hex(inner(token).nonce()) + ".json";
  CHECK_EQ(mode_of(folder / "tokens"), 0700);
  CHECK_EQ(mode_of(path), 0600);
  CHECK_EQ(io::read_file(path, 4096)->find(to_hex(token.signature())), std::string::npos);
}

TEST_CASE("long expired tokens are forgotten when one is added") {
  Folder folder;
  TokenBook book(folder / "tokens");
  REQUIRE(book.add(inner(made("one", kNow)), kNow));
  REQUIRE(book.add(inner(made("one", kNow + 3 * 86'400'000)), kNow + 2 * 86'400'000));
  CHECK_EQ(book.list("one")->size(), 1);
}

TEST_CASE("a damaged file is an error that names it") {
  Folder folder;
  REQUIRE(io::make_folders(folder / "tokens"));
  for (const char* text : {"", "{}", "[]", R"({"format":1,"chain_id":"c","farm":"f","nonce":"00","expires_ms":1})"}) {
    REQUIRE(io::write_file(folder / "tokens/x.json", text, io::Durability::None));
    Result<std::vector<pb::JoinToken>> listed = TokenBook(folder / "tokens").list("c");
    REQUIRE_FALSE(listed.has_value());
    CHECK_EQ(listed.error().code, Code::Corrupt);
    CHECK_NE(listed.error().message.find("x.json"), std::string::npos);
  }
}
