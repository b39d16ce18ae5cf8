#include "image/mount/open_table.h"

#include <doctest/doctest.h>

#include "image/mount/test_loader.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

struct World {
  World() : memory(*SharedMemory::create({41, true, true, true})) { restart(); }
  // As after a kill: what was in the process is gone, what is shared is taken over.
  void restart() { table = std::make_unique<OpenTable>(*memory, [this](int backing) { closed.push_back(backing); }); }
  OpenTable::Opened open(uint64_t node, uint64_t unique, int backing = 0, bool is_resent = false) {
    Result<OpenTable::Opened> opened = table->open(node, unique, is_resent, [&]() -> Result<OpenTable::Choice> {
      ++choices;
      return OpenTable::Choice{backing, nullptr};
    });
    REQUIRE(opened.has_value());
    return *opened;
  }
  std::unique_ptr<SharedMemory> memory;
  std::vector<int> closed;
  std::unique_ptr<OpenTable> table;
  int choices = 0;
};

}  // namespace

TEST_CASE("the first open of a node chooses the mode for all, the last close ends the backing") {
  World world;
  OpenTable::Opened first = world.open(7, 2, 55);
  OpenTable::Opened second = world.open(7, 4, 66);
  CHECK_EQ(first.backing, 55);
  CHECK_EQ(second.backing, 55);
  CHECK_EQ(world.choices, 1);
  CHECK(first.handle != second.handle);
  world.table->close(first.handle);
  CHECK(world.closed.empty());
  world.table->close(second.handle);
  CHECK_EQ(world.closed, std::vector<int>{55});
  CHECK_EQ(world.open(7, 6, 0).backing, 0);
  CHECK_EQ(world.choices, 2);
}

TEST_CASE("a close that comes twice closes once") {
  World world;
  OpenTable::Opened first = world.open(7, 2, 55);
  OpenTable::Opened second = world.open(7, 4);
  world.table->close(first.handle);
  world.table->close(first.handle);
  CHECK(world.closed.empty());
  OpenTable::Opened third = world.open(7, 6);  // in the slot of the first
  world.table->close(first.handle);
  world.table->close(second.handle);
  CHECK(world.closed.empty());
  world.table->close(third.handle);
  CHECK_EQ(world.closed.size(), 1);
  world.table->close(~uint64_t{0});
}

TEST_CASE("a new process knows what is open and how, and counts a request that is sent again once") {
  World world;
  OpenTable::Opened first = world.open(uint64_t{3} << 32 | 9, 2, 55);
  OpenTable::Opened second = world.open(uint64_t{3} << 32 | 9, 4);
  OpenTable::Opened other = world.open(12, 6, 0);
  world.restart();
  CHECK(world.closed.empty());
  CHECK_EQ(world.table->nodes().size(), 2);
  CHECK(world.table->has_open_below(3));
  CHECK_FALSE(world.table->has_open_below(4));
  OpenTable::Opened again = world.open(uint64_t{3} << 32 | 9, 4, 77, true);
  CHECK_EQ(again.handle, second.handle);
  CHECK_EQ(again.backing, 55);
  OpenTable::Opened fresh = world.open(uint64_t{3} << 32 | 9, 8, 77, true);  // nobody counted it before
  CHECK(fresh.handle != second.handle);
  for (uint64_t handle : {first.handle, second.handle, fresh.handle}) world.table->close(handle);
  CHECK_EQ(world.closed, std::vector<int>{55});
  world.table->close(other.handle);
  CHECK(world.table->nodes().empty());
  world.restart();
  CHECK(world.table->nodes().empty());
}

TEST_CASE("a process that dies while it closes leaves no backing behind, and none is closed that is in use") {
  World world;
  OpenTable::Opened first = world.open(7, 2, 55);
  OpenTable::Opened second = world.open(8, 4, 66);
  world.open(8, 6);
  world.memory->open_file(static_cast<uint32_t>(first.handle)).state.store(SharedOpenFile::Closing);
  world.memory->open_file(static_cast<uint32_t>(second.handle)).state.store(SharedOpenFile::Closing);
  world.restart();
  CHECK_EQ(world.closed, std::vector<int>{55});
  CHECK_EQ(world.table->nodes(), std::vector<uint64_t>{8});
}

TEST_CASE("content of a file that is open is held once, also after a takeover") {
  World world;
  world.open(7, 2, 0);
  world.restart();
  int holds = 0;
  auto hold = [&]() -> Result<std::shared_ptr<Content>> { return ++holds, std::make_shared<TestContent>(10, true); };
  std::shared_ptr<Content> held = *world.table->content(7, hold);
  CHECK_EQ(*world.table->content(7, hold), held);
  CHECK_EQ(holds, 1);
  static_cast<void>(*world.table->content(8, hold));  // nobody has it open
  static_cast<void>(*world.table->content(8, hold));
  CHECK_EQ(holds, 3);
}

TEST_CASE("shared text is replaced as a whole and bounded") {
  std::unique_ptr<SharedMemory> memory = *SharedMemory::create({41, true, false, true});
  CHECK_EQ(memory->text(), "");
  REQUIRE(memory->set_text("first").has_value());
  REQUIRE(memory->set_text("the second").has_value());
  CHECK_EQ(memory->set_text(std::string(kTextBytesMax + 1, 'x')).error().code, Code::Exhausted);
  std::unique_ptr<SharedMemory> joined = *SharedMemory::join(io::Fd(::dup(memory->fd())));
  CHECK_EQ(joined->text(), "the second");
  CHECK_EQ(joined->negotiated().minor, 41);
  CHECK(joined->negotiated().has_idmap);
  CHECK_FALSE(joined->negotiated().has_resend);
  joined->set_known(5, true);
  CHECK(memory->is_known(5));
  CHECK_EQ(SharedMemory::join(io::Fd(::memfd_create("empty", MFD_CLOEXEC))).error().code, Code::Corrupt);
}
