#include "image/mount/file_reads.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>

#include "image/mount/test_folder_image.h"
#include "image/mount/test_loader.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

// One file of two and a half blocks; the kernel's end is a socket.
struct World {
  explicit World(bool keeps = true) {
    int ends[2];
    REQUIRE_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    kernel = io::Fd(ends[0]);
    ours = io::Fd(ends[1]);
    int size = 4 << 20;
    ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    cache.keeps = keeps;
    REQUIRE(io::make_folders(folder / "tree").has_value());
    for (size_t i = 0; i < kBlockBytes * 5 / 2; ++i) plain.push_back(static_cast<char>(i * 7 + i / 4096));
    REQUIRE(io::write_file(folder / "tree/file", plain, io::Durability::None).has_value());
    FolderImage packed(folder / "tree");
    blocks = packed.blocks();
    std::shared_ptr<const Index> index = *Index::parse(write_index(packed.image()));
    node = index->find(0, "file")->node;
    auto fetch = [this](const BlockRef& block, uint64_t bytes) -> Result<Bytes> {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return !is_held; });
      if (is_dead) return make_error(Code::TimedOut, "no store answers");
      return decode_block(block, blocks.at(block.id), bytes);
    };
    auto served = std::make_shared<ServedImage>();
    served->loaded = std::make_shared<TestLoadedImage>(cache, index, fetch);
    image = served;
    device = std::make_unique<FuseDevice>(ours.get());
    reads = std::make_unique<FileReads>(*device, nullptr, [this](const ServedImage&, const Error& error) { errors.push_back(error.message); });
  }
  ~World() {
    let_go();
    static_cast<TestLoadedImage&>(*image->loaded).finish();
  }
  void read(uint64_t unique, uint64_t offset, size_t bytes, uint32_t process = 0) {
    reads->read({unique, process, image, *image->loaded->hold(node), node, offset, bytes});
  }
  void let_go(bool dead = false) {
    std::lock_guard lock(mutex);
    is_dead = dead;
    is_held = false;
    changed.notify_all();
  }
  void hold_back() {
    std::lock_guard lock(mutex);
    is_held = true;
  }
  // The next answer; "none" when there is none for a moment.
  std::string answer(uint64_t unique, int wait_ms = 10'000) {
    struct pollfd ready {kernel.get(), POLLIN, 0};
    if (::poll(&ready, 1, wait_ms) != 1) return "none";
    fuse::OutHeader header{};
    REQUIRE_EQ(::recv(kernel.get(), &header, sizeof header, MSG_WAITALL), sizeof header);
    CHECK_EQ(header.unique, unique);
    if (header.error != 0) return "error " + std::to_string(-header.error);
    std::string bytes(header.bytes - sizeof header, '\0');
    CHECK_EQ(::recv(kernel.get(), bytes.data(), bytes.size(), MSG_WAITALL), bytes.size());
    return bytes;
  }

  testing::TemporaryFolder folder;
  io::Fd kernel, ours;
  Bytes plain;
  std::map<Hash, Bytes> blocks;
  TestCache cache;
  std::mutex mutex;
  std::condition_variable changed;
  bool is_held = false, is_dead = false;
  NodeNumber node = 0;
  std::vector<std::string> errors;
  std::unique_ptr<FuseDevice> device;
  std::unique_ptr<FileReads> reads;
  std::shared_ptr<const ServedImage> image;  // its threads end first
};

}  // namespace

TEST_CASE("a read across blocks waits for all of them, whether they can be kept or not") {
  for (bool keeps : {true, false}) {
    World world(keeps);
    world.read(2, 0, 100);
    CHECK(world.answer(2) == world.plain.substr(0, 100));
    world.read(4, kBlockBytes - 10, kBlockBytes + 20);  // all three
    CHECK(world.answer(4) == world.plain.substr(kBlockBytes - 10, kBlockBytes + 20));
    world.read(6, kBlockBytes * 2 + 5, kBlockBytes / 2 - 5);
    CHECK(world.answer(6) == world.plain.substr(kBlockBytes * 2 + 5));
    CHECK(world.errors.empty());
  }
}

TEST_CASE("a read whose block no store gives ends with EIO, once, and says why") {
  World world;
  world.hold_back();
  world.read(2, 0, kBlockBytes * 2);
  CHECK_EQ(world.answer(2, 0), "none");
  world.let_go(true);
  CHECK_EQ(world.answer(2), "error " + std::to_string(EIO));
  CHECK_EQ(world.errors, std::vector<std::string>{"no store answers"});
  world.let_go();
  world.read(4, 0, 10);
  CHECK(world.answer(4) == world.plain.substr(0, 10));
}

TEST_CASE("an interrupted read ends when its process is being killed, and goes on otherwise") {
  World world;
  world.hold_back();
  auto self = static_cast<uint32_t>(::getpid());
  world.read(2, 0, 10, self);        // we live
  world.reads->interrupt(2);
  world.reads->end_killed();
  CHECK_EQ(world.answer(2, 0), "none");
  world.read(4, 0, 10, 0x7fff'fff0);  // nobody
  world.reads->interrupt(4);
  CHECK_EQ(world.answer(4), "error " + std::to_string(EINTR));
  world.reads->interrupt(6);         // the signal is quicker than the request
  world.read(6, 0, 10, 0x7fff'fff0);
  world.reads->end_killed();
  CHECK_EQ(world.answer(6), "error " + std::to_string(EINTR));
  world.let_go();
  CHECK(world.answer(2) == world.plain.substr(0, 10));
  CHECK_EQ(world.answer(2, 50), "none");  // the others are not answered again
}
