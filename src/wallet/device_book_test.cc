#include "wallet/device_book.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::wallet;

namespace {

DeviceName laptop() { return {"home", ContractId(), "team", "laptop"}; }

}  // namespace

TEST_CASE("a device's key is made once and found again") {
  testing::TemporaryFolder folder;
  DeviceBook book(folder / "devices");
  CHECK_FALSE(book.find(laptop())->has_value());
  DeviceKey made = book.get_or_make(laptop()).value();
  CHECK_EQ(made.secret.size(), 32);
  CHECK_EQ(book.get_or_make(laptop())->secret, made.secret);
  CHECK_EQ((*book.find(laptop()))->key, made.key);
  DeviceName other = laptop();
  other.network = "lab";
  CHECK_NE(book.get_or_make(other)->key, made.key);
}

TEST_CASE("a key that was forgotten is made anew") {
  testing::TemporaryFolder folder;
  DeviceBook book(folder / "devices");
  const Bytes before = book.get_or_make(laptop())->key;
  CHECK(book.forget(laptop()).has_value());
  CHECK(book.forget(laptop()).has_value());
  CHECK_NE(book.get_or_make(laptop())->key, before);
}

TEST_CASE("a private key that others may read, or a damaged one, is refused") {
  testing::TemporaryFolder folder;
  DeviceBook book(folder / "devices");
  REQUIRE(book.get_or_make(laptop()).has_value());
  std::string path = folder / "devices/" + io::list_folder(folder / "devices")->front();
  struct stat info{};
  REQUIRE_EQ(::stat(path.c_str(), &info), 0);
  CHECK_EQ(info.st_mode & 0777, 0600);
  REQUIRE_EQ(::chmod(path.c_str(), 0644), 0);
  CHECK_EQ(book.find(laptop()).error().code, Code::Denied);
  REQUIRE_EQ(::chmod(path.c_str(), 0600), 0);
  REQUIRE(io::write_file(path, "{\"format\":1,\"private_key\":\"AAAA\"}", io::Durability::None, 0600).has_value());
  CHECK_EQ(book.find(laptop()).error().code, Code::Corrupt);
}
