#include "node/builtin_image.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "io/file.h"
#include "io/process.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

image::PreparedImage prepare(const std::string& folder) {
  auto builtin = BuiltinImage::open(folder);
  REQUIRE_MESSAGE(builtin.has_value(), builtin.error().message);
  auto image = (*builtin)->prepare();
  REQUIRE_MESSAGE(image.has_value(), image.error().message);
  return *image;
}

}  // namespace

TEST_CASE("the built-in image holds all that this program needs: it runs where there is nothing else" *
          doctest::skip(geteuid() != 0)) {
  testing::TemporaryFolder folder;
  image::PreparedImage image = prepare(folder / "builtin");
  io::Command command;
  command.arguments = {"/usr/bin/mcloud", "--no-run", "--version"};  // this very test program
  command.environment = image.config.environment;
  command.in_child = [&] {
    if (::chroot(image.root_folder.c_str()) != 0 || ::chdir("/") != 0) ::_exit(99);
  };
  auto outcome = io::run(command);
  REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
  CHECK_MESSAGE(outcome->exit_code == 0, outcome->errors);
  CHECK(outcome->output.find("doctest") != std::string::npos);
}

TEST_CASE("the built-in image is made once, named by its content, and anew when it is not whole") {
  testing::TemporaryFolder folder;
  std::string root = prepare(folder / "builtin").root_folder;
  REQUIRE(io::write_file(root + "/note", "still the same folder", io::Durability::None).has_value());
  CHECK(prepare(folder / "builtin").root_folder == root);
  CHECK(io::exists(root + "/note"));
  // As a power loss may leave it.
  REQUIRE(io::write_file(root + "/usr/bin/mcloud", "torn", io::Durability::None).has_value());
  CHECK(prepare(folder / "builtin").root_folder == root);
  CHECK(!io::exists(root + "/note"));
  CHECK(io::read_file(root + "/usr/bin/mcloud", 1 << 30)->size() > 1'000'000);
}

TEST_CASE("older built-in images go when no container uses them") {
  testing::TemporaryFolder folder;
  std::string present = prepare(folder / "builtin").root_folder;
  REQUIRE(io::make_folders(folder / "builtin/older/root").has_value());
  REQUIRE(io::make_folders(folder / "builtin/oldest/root").has_value());
  REQUIRE(io::make_folders(folder / "builtin/unfinished-x/root").has_value());
  auto builtin = BuiltinImage::open(folder / "builtin");
  REQUIRE(builtin.has_value());
  REQUIRE((*builtin)->prepare().has_value());
  REQUIRE((*builtin)->sweep({folder / "builtin/older/root"}).has_value());
  CHECK(io::exists(present));
  CHECK(io::exists(folder / "builtin/older/root"));
  CHECK(!io::exists(folder / "builtin/oldest"));
  CHECK(!io::exists(folder / "builtin/unfinished-x"));
}
