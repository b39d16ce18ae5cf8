#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "flist/convert/sources.h"
#include "flist/convert/test_description.h"
#include "flist/convert/test_random_image.h"
#include "flist/convert/test_stores.h"

using namespace mcloud;
using namespace mcloud::flist;
using image::Tar;
using image::TestFolder;
using image::TestImage;
using image::write_text;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Result<Converted> into(MemoryStores& stores, const std::string& source, const ConvertOptions& options = {}) {
  Assembly assembly(stores, options);
  TRY(load_source(source, assembly));
  return assembly.finish();
}

Converted must(Result<Converted> converted) {
  REQUIRE_MESSAGE(converted.has_value(), converted.error().message);
  return std::move(*converted);
}

ConvertOptions with_secret(char fill) {
  ConvertOptions options;
  options.secret = Bytes(32, fill);
  return options;
}

// With everything that a folder can hold.
void fill(const std::string& root) {
  REQUIRE(io::make_folders(root + "/bin").has_value());
  REQUIRE(io::make_folders(root + "/empty").has_value());
  write_text(root + "/bin/app", std::string(1'300'000, 'x'));
  REQUIRE_EQ(chmod((root + "/bin/app").c_str(), 04755), 0);
  REQUIRE_EQ(link((root + "/bin/app").c_str(), (root + "/same").c_str()), 0);
  REQUIRE_EQ(symlink("../nowhere", (root + "/bin/link").c_str()), 0);
  REQUIRE_EQ(link((root + "/bin/link").c_str(), (root + "/link too").c_str()), 0);
  write_text(root + "/la\xfctin", "bytes");
  write_text(root + "/none", "");
  REQUIRE_EQ(mkfifo((root + "/pipe").c_str(), 0620), 0);
  REQUIRE_EQ(mknod((root + "/device").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  REQUIRE_EQ(setxattr((root + "/none").c_str(), "user.mine", "a\0b", 3, 0), 0);
  REQUIRE_EQ(setxattr((root + "/empty").c_str(), "user.folder", "x", 1, 0), 0);
  REQUIRE_EQ(chown((root + "/none").c_str(), 1000, 65'535), 0);
  timespec times[2] = {{-5, 250'000'000}, {-5, 250'000'000}};
  REQUIRE_EQ(utimensat(AT_FDCWD, (root + "/none").c_str(), times, 0), 0);
}

}  // namespace

TEST_CASE("a folder is converted as it lies") {
  TestFolder folder;
  fill(folder / "root");
  MemoryStores stores;
  Converted made = must(into(stores, folder / "root"));
  std::string differs = difference(describe(made.flist.image.tree, stores), describe(folder / "root"));
  CHECK_MESSAGE(differs.empty(), differs);
  CHECK_EQ(made.bytes, 1'300'005);
  CHECK_EQ(made.blocks, 3);  // two equal ones of the large file, its rest, "bytes"
  CHECK_EQ(made.new_blocks, 3);
  CHECK_EQ(stores.flushes, 1);
}

TEST_CASE("sockets and an overlay's whiteouts are left out of a folder") {
  TestFolder folder;
  REQUIRE(io::make_folders(folder / "root").has_value());
  io::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = folder / "root/socket";
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  REQUIRE_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  REQUIRE_EQ(mknod((folder / "root/whiteout").c_str(), S_IFCHR | 0666, 0), 0);
  MemoryStores stores;
  CHECK(must(into(stores, folder / "root")).flist.image.tree.nodes[0].children.empty());
}

TEST_CASE("what is mounted below a folder is not entered") {
  TestFolder folder;
  REQUIRE(io::make_folders(folder / "root/mounted").has_value());
  int child = fork();
  if (child == 0) {
    bool is_ready = unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                    mount("none", (folder / "root/mounted").c_str(), "tmpfs", 0, nullptr) == 0 &&
                    io::write_file(folder / "root/mounted/x", "x", io::Durability::None).has_value();
    MemoryStores stores;
    Result<Converted> made = into(stores, folder / "root");
    bool is_good = is_ready && made.has_value() && made->flist.image.tree.nodes.size() == 2;
    _exit(is_good ? 0 : 1);
  }
  int ending = 1;
  REQUIRE_EQ(waitpid(child, &ending, 0), child);
  CHECK_EQ(ending, 0);
}

TEST_CASE("holes of a file are not read") {
  TestFolder folder;
  REQUIRE(io::make_folders(folder / "root").has_value());
  write_text(folder / "root/sparse", "start");
  REQUIRE_EQ(truncate((folder / "root/sparse").c_str(), 100 * image::kBlockBytes + 7), 0);
  MemoryStores stores;
  Converted made = must(into(stores, folder / "root"));
  const image::Node& file = made.flist.image.tree.nodes[1];
  CHECK_EQ(file.blocks.size(), 101);
  CHECK_EQ(made.blocks, 3);
  std::string differs = difference(describe(made.flist.image.tree, stores), describe(folder / "root"));
  CHECK_MESSAGE(differs.empty(), differs);
}

TEST_CASE("equal input gives an equal image, whatever the number of threads") {
  TestFolder folder;
  RandomImage(5).make().write_layout(folder / "layout");
  std::vector<Converted> made;
  for (size_t threads : {1, 2, 7}) {
    MemoryStores stores;
    ConvertOptions options;
    options.threads = threads;
    made.push_back(must(into(stores, "oci:" + (folder / "layout"), options)));
  }
  CHECK_EQ(made[0].flist.image, made[1].flist.image);
  CHECK_EQ(made[0].flist.image, made[2].flist.image);
  CHECK_EQ(made[0].digest, made[2].digest);
}

TEST_CASE("an image keeps its config word by word, and what it was made of") {
  TestFolder folder;
  TestImage source;
  source.tars = {Tar().file("a").bytes(), Tar().file("b").bytes()};
  std::string manifest = source.write_layout(folder / "layout");
  MemoryStores stores;
  Converted made = must(into(stores, "oci:" + (folder / "layout")));
  CHECK_EQ(made.flist.image.config, source.config_json());
  std::vector<std::string> expected = {
      "manifest " + manifest,
      "layer " + image::Digest::of(image::pack(source.tars[0], image::Packing::Gzip)).text(),
      "layer " + image::Digest::of(image::pack(source.tars[1], image::Packing::Gzip)).text()};
  CHECK_EQ(made.flist.image.origin, expected);
}

TEST_CASE("a docker archive gives the tree of its layers") {
  TestFolder folder;
  TestImage source;
  source.tars = {Tar().file("a", "one").file("b").bytes(), Tar().file(".wh.b", "").file("c").bytes()};
  nlohmann::json manifest = {{{"Config", "config.json"}, {"RepoTags", {"x:1"}}, {"Layers", {"1/layer.tar", "2/layer.tar"}}}};
  Tar archive;
  archive.file("1/layer.tar", source.tars[0]).file("2/layer.tar", source.tars[1]);
  archive.file("config.json", source.config_json()).file("manifest.json", manifest.dump());
  write_text(folder / "saved.tar", archive.bytes());
  source.write_layout(folder / "layout");
  MemoryStores stores;
  Converted from_archive = must(into(stores, "docker-archive:" + (folder / "saved.tar")));
  Converted from_layout = must(into(stores, "oci:" + (folder / "layout")));
  CHECK_EQ(from_archive.flist.image.tree, from_layout.flist.image.tree);
  CHECK_EQ(from_archive.flist.image.origin[0], "config " + image::Digest::of(source.config_json()).text());
  CHECK_EQ(from_archive.new_blocks, 2);
  CHECK_EQ(from_layout.new_blocks, 0);  // the store had them
}

TEST_CASE("an image copied between stores stays the same image; under a secret it is another") {
  TestFolder folder;
  fill(folder / "root");
  MemoryStores first, second, third;
  Converted made = must(into(first, folder / "root"));
  auto copy = [&](MemoryStores& to, const ConvertOptions& options) {
    Assembly assembly(to, options);
    Status loaded = load_image(made.flist.image, first, assembly);
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
    return must(assembly.finish());
  };
  Converted same = copy(second, {});
  CHECK_EQ(same.digest, made.digest);
  CHECK_EQ(same.flist.image, made.flist.image);
  CHECK_EQ(second.blocks(), first.blocks());

  Converted secret = copy(third, with_secret('s'));
  CHECK(secret.digest != made.digest);
  CHECK_EQ(describe(secret.flist.image.tree, third), describe(made.flist.image.tree, first));
  for (const image::Node& node : made.flist.image.tree.nodes) {
    for (const image::BlockRef& ref : node.blocks) CHECK_FALSE(third.has(ref.id));
  }
  CHECK_EQ(copy(third, with_secret('s')).new_blocks, 0);

  MemoryStores empty;
  ConvertOptions options;
  Assembly assembly(second, options);
  Status loaded = load_image(made.flist.image, empty, assembly);
  Result<Converted> finished = loaded.has_value() ? assembly.finish() : Result<Converted>(loaded.error());
  CHECK_EQ(finished.error().code, Code::NotFound);
  CHECK(has(finished.error().message, "path \""));
}

TEST_CASE("a store that fails at any block ends the conversion, and the path is named") {
  TestFolder folder;
  RandomImage(3).make().write_layout(folder / "layout");
  MemoryStores good;
  uint64_t blocks = must(into(good, "oci:" + (folder / "layout"))).blocks;
  for (uint64_t until = 0; until < blocks; until += 1 + blocks / 8) {
    MemoryStores bad;
    bad.puts_until_failure = until;
    Result<Converted> made = into(bad, "oci:" + (folder / "layout"));
    REQUIRE_FALSE(made.has_value());
    CHECK_EQ(made.error().code, Code::Unavailable);
    CHECK_MESSAGE(has(made.error().message, "path \""), made.error().message);
    CHECK_EQ(bad.flushes, 0);
  }
}

TEST_CASE("a source that is none is refused with what is allowed") {
  MemoryStores stores;
  for (const char* source : {"/no/such/folder", "http://x", "", "oci"}) {
    Result<Converted> made = into(stores, source);
    CHECK_EQ(made.error().code, Code::Invalid);
    CHECK(has(made.error().message, "fl:FILE"));
  }
  CHECK_EQ(into(stores, "oci:/no/such/layout").error().code, Code::NotFound);
  CHECK_EQ(into(stores, "docker-archive:/no/such/file").error().code, Code::NotFound);
}

TEST_CASE("a conversion says how far it is") {
  TestFolder folder;
  fill(folder / "root");
  MemoryStores stores;
  std::atomic<uint64_t> most = 0, calls = 0;
  ConvertOptions options;
  options.on_progress = [&](uint64_t done, uint64_t) {
    ++calls;
    uint64_t before = most;
    while (before < done && !most.compare_exchange_weak(before, done)) {
    }
  };
  Converted made = must(into(stores, folder / "root", options));
  CHECK_EQ(most, made.bytes);
  CHECK_EQ(calls, 4);
}

TEST_CASE("blocks go to a folder, and only there when all went well") {
  TestFolder folder;
  fill(folder / "root");
  ConvertOptions options;
  CHECK_EQ(convert(folder / "root", options).error().code, Code::Invalid);  // no store
  options.stores = {image::parse_route("dir://" + (folder / "blocks")).value()};
  Converted made = must(convert(folder / "root", options));
  CHECK_EQ(made.new_blocks, 3);
  CHECK_EQ(made.flist.routes, options.stores);
  Converted again = must(convert(folder / "root", options));
  CHECK_EQ(again.new_blocks, 0);
  CHECK_EQ(again.digest, made.digest);
  auto stores = image::Routes::open(options.stores).value();
  std::string differs = difference(describe(made.flist.image.tree, *stores), describe(folder / "root"));
  CHECK_MESSAGE(differs.empty(), differs);
  REQUIRE(write_flist(folder / "root.fl", made.flist).has_value());
  CHECK_EQ(read_flist(folder / "root.fl").value().image, made.flist.image);
}

TEST_CASE("an image named by its .fl file is copied to other stores, with what belongs to it") {
  TestFolder folder;
  fill(folder / "root");
  ConvertOptions options;
  options.stores = {image::parse_route("dir://" + (folder / "blocks")).value()};
  Converted made = must(convert(folder / "root", options));
  crypto::SigningKey key = crypto::SigningKey::generate();
  made.flist.signatures = {sign_image(key, made.digest)};
  made.flist.tags = {{"author", "somebody"}};
  made.flist.trace = {"bin/app 0"};
  REQUIRE(write_flist(folder / "root.fl", made.flist).has_value());

  options.stores = {image::parse_route("dir://" + (folder / "others")).value()};
  Converted copied = must(convert("fl:" + (folder / "root.fl"), options));
  CHECK_EQ(copied.digest, made.digest);
  CHECK_EQ(copied.new_blocks, 3);
  CHECK_EQ(copied.flist.routes, options.stores);
  CHECK_EQ(copied.flist.tags, made.flist.tags);
  CHECK_EQ(copied.flist.trace, made.flist.trace);
  CHECK_EQ(copied.flist.signatures.size(), 1);
  REQUIRE(io::remove_tree(folder / "blocks").has_value());
  auto stores = image::Routes::open(options.stores).value();
  std::string differs = difference(describe(copied.flist.image.tree, *stores), describe(folder / "root"));
  CHECK_MESSAGE(differs.empty(), differs);

  // Under a secret it is another image: nobody signed that.
  options.secret = Bytes(32, 's');
  REQUIRE(write_flist(folder / "copied.fl", copied.flist).has_value());
  Converted secret = must(convert("fl:" + (folder / "copied.fl"), options));
  CHECK(secret.digest != made.digest);
  CHECK(secret.flist.signatures.empty());
}

TEST_CASE("a conversion killed at any moment leaves no block that is not whole") {
  TestFolder folder;
  RandomImage(11).make().write_layout(folder / "layout");
  ConvertOptions options;
  options.stores = {image::parse_route("dir://" + (folder / "blocks")).value()};
  for (int round = 0; round < 12; ++round) {
    int child = fork();
    if (child == 0) {
      static_cast<void>(convert("oci:" + (folder / "layout"), options));
      _exit(0);
    }
    usleep(static_cast<useconds_t>(round) * 1500);
    kill(child, SIGKILL);
    REQUIRE_EQ(waitpid(child, nullptr, 0), child);
    if (!io::exists(folder / "blocks")) continue;
    for (const std::string& prefix : io::list_folder(folder / "blocks").value()) {
      for (const std::string& name : io::list_folder(folder / ("blocks/" + prefix)).value()) {
        CHECK_EQ(crypto::blake2b(image::read_text(folder / ("blocks/" + prefix + "/" + name))).hex(), name);
      }
    }
  }
  Converted made = must(convert("oci:" + (folder / "layout"), options));
  auto stores = image::Routes::open(options.stores).value();
  CHECK(describe(made.flist.image.tree, *stores).size() > 1);
}
