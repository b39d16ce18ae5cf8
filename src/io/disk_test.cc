#include "io/disk.h"

#include <doctest/doctest.h>

#include "io/scratch_folder.h"

using namespace mcloud;
using namespace mcloud::io;

TEST_CASE("a file is written, read, allocated with zeros, cut and mapped") {
  ScratchFolder folder;
  SystemDisk disk;
  auto file = disk.open(folder / "a", OpenMode::Create).value();
  CHECK_EQ(disk.open(folder / "a", OpenMode::Create).error().code, Code::AlreadyExists);
  REQUIRE(file->write(0, "hello").has_value());
  REQUIRE(file->allocate(3 << 20).has_value());
  CHECK_EQ(file->size().value(), 3 << 20);
  auto mapping = file->map(4 << 20).value();
  char bytes[8] = {};
  REQUIRE(mapping->read(3, bytes, 4).has_value());
  CHECK_EQ(std::string(bytes, 4), std::string("lo\0\0", 4));
  REQUIRE(file->write(5, "!").has_value());
  REQUIRE(mapping->read(0, bytes, 6).has_value());
  CHECK_EQ(std::string(bytes, 6), "hello!");
  CHECK(file->sync().has_value());
  CHECK_EQ(file->read((3 << 20) - 2, bytes, 8).value(), 2);
  REQUIRE(file->truncate(2).has_value());
  CHECK_EQ(disk.open(folder / "a", OpenMode::Read).value()->size().value(), 2);
}

TEST_CASE("a mapped page that cannot be read is an error and not the end of the process") {
  ScratchFolder folder;
  SystemDisk disk;
  auto file = disk.open(folder / "a", OpenMode::Create).value();
  REQUIRE(file->write(0, "hello").has_value());
  auto mapping = file->map(1 << 20).value();
  char bytes[8] = {};
  for (int i = 0; i < 3; ++i) CHECK_EQ(mapping->read(8192, bytes, 8).error().code, Code::Unavailable);
  CHECK(mapping->read(0, bytes, 5).has_value());
  CHECK_EQ(mapping->read((1 << 20) - 4, bytes, 8).error().code, Code::Invalid);
}

TEST_CASE("names are made, listed, replaced and removed") {
  ScratchFolder folder;
  SystemDisk disk;
  REQUIRE(disk.make_folder(folder / "x/y").has_value());
  REQUIRE(disk.make_folder(folder / "x/y").has_value());
  REQUIRE(disk.open(folder / "x/b", OpenMode::Create).value()->write(0, "b").has_value());
  REQUIRE(disk.open(folder / "x/a", OpenMode::Create).has_value());
  CHECK_EQ(disk.list(folder / "x").value(), std::vector<std::string>{"a", "b", "y"});
  REQUIRE(disk.rename(folder / "x/b", folder / "x/a").has_value());
  CHECK_EQ(disk.open(folder / "x/a", OpenMode::Read).value()->size().value(), 1);
  REQUIRE(disk.sync_folder(folder / "x").has_value());
  REQUIRE(disk.remove(folder / "x/a").has_value());
  REQUIRE(disk.remove(folder / "x/a").has_value());
  CHECK_FALSE(disk.remove(folder / "x").has_value());
  CHECK_EQ(disk.list(folder / "absent").error().code, Code::NotFound);
  CHECK_EQ(disk.open(folder / "absent", OpenMode::Write).error().code, Code::NotFound);
  CHECK(disk.free_bytes(folder / "x").value() > 0);
}

TEST_CASE("a lock is held by one") {
  ScratchFolder folder;
  SystemDisk disk;
  auto lock = disk.lock(folder / "lock").value();
  CHECK_EQ(disk.lock(folder / "lock").error().code, Code::Conflict);
  lock.reset();
  CHECK(disk.lock(folder / "lock").has_value());
}
