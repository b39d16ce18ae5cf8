#include "image/unpacked/tree_writer.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include "image/oci/layer.h"
#include "image/unpacked/test_image.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Layers into "root" below a folder whose other content must stay untouched.
struct Tree {
  explicit Tree(const UnpackLimits& limits_in = {}) : limits(limits_in) {
    REQUIRE(io::make_folders(folder / "root").has_value());
    REQUIRE(io::make_folders(folder / "outside").has_value());
    write_text(folder / "outside/secret", "host");
    writer = std::move(TreeWriter::open(folder / "root", limits).value());
  }
  Status apply(const Tar& tar) {
    MemoryStream stream(tar.bytes());
    return unpack_layer(stream, {std::nullopt, tar.bytes().size(), Digest::of(tar.bytes())}, limits, *writer);
  }
  void must_apply(const Tar& tar) {
    Status applied = apply(tar);
    REQUIRE_MESSAGE(applied.has_value(), applied.error().message);
  }
  std::string root(const std::string& path) const { return folder / ("root/" + path); }
  bool is_there(const std::string& path) const { return io::exists(root(path)); }
  struct stat facts(const std::string& path) const {
    struct stat out {};
    REQUIRE_EQ(lstat(root(path).c_str(), &out), 0);
    return out;
  }
  bool outside_is_untouched() const {
    return io::list_folder(folder / "outside").value() == std::vector<std::string>{"secret"} &&
           read_text(folder / "outside/secret") == "host" && io::list_folder(folder / "").value().size() == 2;
  }
  TestFolder folder;
  UnpackLimits limits;
  std::unique_ptr<TreeWriter> writer;
};

}  // namespace

TEST_CASE("files, folders, links and modes come out as they went in") {
  Tree tree;
  tree.must_apply(Tar()
                      .folder("./")
                      .folder("./bin")
                      .file("./bin/app", "program", 04755)
                      .link("./bin/sh", "app")
                      .hard_link("./bin/same", "./bin/app")
                      .add({"pipe", '6', "", "", 0600})
                      .file("etc/deep/er/file", "deep")
                      .folder("tmp", 01777));
  CHECK_EQ(read_text(tree.root("bin/app")), "program");
  CHECK_EQ(tree.facts("bin/app").st_mode & 07777, 04755);
  CHECK_EQ(tree.facts("bin/app").st_mtim.tv_sec, 1'700'000'000);
  CHECK_EQ(tree.facts("bin").st_mtim.tv_sec, 1'700'000'000);
  CHECK(S_ISLNK(tree.facts("bin/sh").st_mode));
  CHECK_EQ(tree.facts("bin/same").st_ino, tree.facts("bin/app").st_ino);
  CHECK(S_ISFIFO(tree.facts("pipe").st_mode));
  CHECK_EQ(read_text(tree.root("etc/deep/er/file")), "deep");
  CHECK_EQ(tree.facts("tmp").st_mode & 07777, 01777);
  CHECK_EQ(tree.writer->bytes(), 11);
}

TEST_CASE("names that lead out of the root are refused") {
  for (const char* name : {"../outside/evil", "a/../../outside/evil", "..", "a/..", "./../x"}) {
    Tree tree;
    Status applied = tree.apply(Tar().file(name, "evil"));
    CHECK_EQ(applied.error().code, Code::Corrupt);
    CHECK(has(applied.error().message, "\"..\" is not allowed"));
    CHECK(tree.outside_is_untouched());
  }
}

TEST_CASE("absolute names are inside the root") {
  Tree tree;
  std::string outside = tree.folder / "outside/evil";
  tree.must_apply(Tar().file(outside, "evil").file("//etc//passwd", "x"));
  CHECK(tree.outside_is_untouched());
  CHECK_EQ(read_text(tree.root(outside)), "evil");
  CHECK_EQ(read_text(tree.root("etc/passwd")), "x");
}

TEST_CASE("links of the image lead around inside the image only") {
  Tree tree;
  std::string outside = tree.folder / "outside";
  // An absolute link, one with "..", and a chain: what is written through them stays inside.
  tree.must_apply(Tar()
                      .folder(outside)
                      .link("absolute", outside)
                      .link("upwards", "../../../../" + outside)
                      .link("chain", "absolute")
                      .file("absolute/a")
                      .file("upwards/b")
                      .file("chain/c"));
  CHECK(tree.outside_is_untouched());
  for (const char* name : {"/a", "/b", "/c"}) CHECK(tree.is_there(outside + name));
  // A link that leads nowhere inside is no folder, even if it is one outside.
  Tree other;
  Status applied = other.apply(Tar().link("way", other.folder / "outside").file("way/evil"));
  CHECK_EQ(applied.error().code, Code::Corrupt);
  CHECK(other.outside_is_untouched());
  // Through /proc links.
  Tree third;
  CHECK_FALSE(third.apply(Tar().link("way", "/proc/self/root/" + (third.folder / "outside")).file("way/evil")).has_value());
  CHECK(third.outside_is_untouched());
}

TEST_CASE("the last name of a path is never followed") {
  Tree tree;
  std::string secret = tree.folder / "outside/secret";
  tree.must_apply(Tar().link("file", secret).file("file", "mine"));
  CHECK_EQ(read_text(tree.root("file")), "mine");
  tree.must_apply(Tar().link("folder", tree.folder / "outside").folder("folder", 0700).file("folder/x"));
  CHECK(tree.is_there("folder/x"));
  tree.must_apply(Tar().link("pipe", secret).add({"pipe", '6', "", "", 0600}));
  CHECK(tree.outside_is_untouched());
}

TEST_CASE("hard links reach nothing outside") {
  for (const std::string& target : {std::string("../outside/secret"), std::string("nothing"), std::string("folder")}) {
    Tree tree;
    Status applied = tree.apply(Tar().folder("folder").hard_link("mine", target));
    CHECK_EQ(applied.error().code, Code::Corrupt);
    CHECK(tree.outside_is_untouched());
  }
  Tree tree;
  // An absolute target is one inside; through a link it stays inside.
  CHECK_FALSE(tree.apply(Tar().hard_link("mine", tree.folder / "outside/secret")).has_value());
  CHECK_FALSE(tree.apply(Tar().link("way", tree.folder / "outside").hard_link("mine", "way/secret")).has_value());
  // To a link: the link itself, not what it points to.
  tree.must_apply(Tar().link("to-secret", tree.folder / "outside/secret").hard_link("also", "to-secret"));
  CHECK(S_ISLNK(tree.facts("also").st_mode));
  // To itself, as GNU tar writes a file given twice.
  tree.must_apply(Tar().file("twice", "text").hard_link("twice", "./twice"));
  CHECK_EQ(read_text(tree.root("twice")), "text");
}

TEST_CASE("a file replaced in a higher layer does not change its other names") {
  Tree tree;
  tree.must_apply(Tar().file("a", "old").hard_link("b", "a"));
  tree.must_apply(Tar().file("a", "new"));
  CHECK_EQ(read_text(tree.root("a")), "new");
  CHECK_EQ(read_text(tree.root("b")), "old");
}

TEST_CASE("device nodes are left out and counted") {
  Tree tree;
  tree.must_apply(Tar().add({"disk", '4', "", "", 0666}).add({"null", '3', "", "", 0666}).file("x"));
  CHECK_FALSE(tree.is_there("disk"));
  CHECK_FALSE(tree.is_there("null"));
  CHECK(tree.is_there("x"));
  CHECK_EQ(tree.writer->skipped_devices(), 2);
}

TEST_CASE("a device that is left out hides what a lower layer has under its name") {
  Tree tree;
  tree.must_apply(Tar().file("null", "old").file("disk/x"));
  tree.must_apply(Tar().add({"null", '3', "", "", 0666}).add({"disk", '4', "", "", 0666}));
  CHECK_FALSE(tree.is_there("null"));
  CHECK_FALSE(tree.is_there("disk"));
}

TEST_CASE("a folder named again loses the attributes that it is not given again") {
  Tree tree;
  tree.must_apply(Tar().add({"d", '5', "", "", 0755, 0, 0, {{"SCHILY.xattr.user.old", "1"}}}));
  tree.must_apply(Tar().add({"d", '5', "", "", 0755, 0, 0, {{"SCHILY.xattr.user.new", "2"}}}));
  char names[256] = {};
  CHECK_EQ(listxattr(tree.root("d").c_str(), names, sizeof names), 9);
  CHECK_EQ(std::string(names), "user.new");
}

TEST_CASE("whiteouts hide what lower layers brought") {
  Tree tree;
  tree.must_apply(Tar().file("etc/a").file("etc/b").file("etc/sub/c").folder("keep").file("keep/x"));
  tree.must_apply(Tar().file("etc/.wh.a", "").file("etc/.wh.sub", "").file(".wh.nothing", "").file("no/such/.wh.x", ""));
  CHECK_EQ(io::list_folder(tree.root("etc")).value(), std::vector<std::string>{"b"});
  CHECK(tree.is_there("keep/x"));
}

TEST_CASE("an opaque whiteout keeps what its own layer brings, in any order") {
  Tree tree;
  tree.must_apply(Tar().file("d/old").file("d/sub/old").file("d/both", "old"));
  tree.must_apply(Tar().file("d/new").file("d/sub/new").file("d/both", "new").file("d/.wh..wh..opq", "").file("d/later"));
  std::vector<std::string> expected = {"both", "later", "new", "sub"};
  CHECK_EQ(io::list_folder(tree.root("d")).value(), expected);
  CHECK_EQ(io::list_folder(tree.root("d/sub")).value(), std::vector<std::string>{"new"});
  CHECK_EQ(read_text(tree.root("d/both")), "new");
  // A whiteout of what the same layer brings is no whiteout of that.
  tree.must_apply(Tar().file("d/fresh").file("d/.wh.fresh", ""));
  CHECK(tree.is_there("d/fresh"));
}

TEST_CASE("whiteouts cannot hide anything outside") {
  Tree tree;
  for (const char* name : {".wh...", ".wh..", "a/.wh...", ".wh.x/y", ".wh."}) {
    Status applied = tree.apply(Tar().folder("a").file(name, ""));
    if (std::string(name) != ".wh.") CHECK_FALSE(applied.has_value());
  }
  tree.must_apply(Tar().link("way", tree.folder / "outside").file("way/.wh.secret", "").file("way/.wh..wh..opq", ""));
  CHECK(tree.outside_is_untouched());
  // A link is hidden, not what it points to.
  tree.must_apply(Tar().file(".wh.way", ""));
  CHECK_FALSE(tree.is_there("way"));
  CHECK(tree.outside_is_untouched());
}

TEST_CASE("a folder replaced by a file or link is gone with its content") {
  Tree tree;
  tree.must_apply(Tar().file("d/x").file("e/y"));
  tree.must_apply(Tar().file("d", "now a file").link("e", "d"));
  CHECK_EQ(read_text(tree.root("d")), "now a file");
  CHECK(S_ISLNK(tree.facts("e").st_mode));
}

TEST_CASE("ids above the range are refused") {
  Tree tree;
  CHECK(tree.apply(Tar().add({"x", '0', "", "", 0644, 65'535, 65'535})).has_value());
  CHECK_EQ(tree.facts("x").st_uid, 65'535);
  CHECK_EQ(tree.apply(Tar().add({"y", '0', "", "", 0644, 65'536, 0})).error().code, Code::Unsupported);
  CHECK_EQ(tree.apply(Tar().add({"y", '0', "", "", 0644, 0, 0, {{"gid", "4294967295"}}})).error().code, Code::Unsupported);
  CHECK_FALSE(tree.is_there("y"));
}

TEST_CASE("names in UTF-8, in other bytes, and long ones are kept") {
  Tree tree;
  std::string pax = "gr\xc3\xbc\xc3\x9f/\xe6\x97\xa5\xe6\x9c\xac";
  std::string latin = "gr\xfc\xdf";
  std::string longer = std::string(150, 'a') + "/" + std::string(250, 'b');
  tree.must_apply(Tar().add({"x", '0', "utf", "", 0644, 0, 0, {{"path", pax}}}).file(latin, "latin").add(
      {"y", '0', "long", "", 0644, 0, 0, {{"path", longer}}}));
  CHECK_EQ(read_text(tree.root(pax)), "utf");
  CHECK_EQ(read_text(tree.root(latin)), "latin");
  CHECK_EQ(read_text(tree.root(longer)), "long");
}

TEST_CASE("names, paths and depths beyond their bounds are refused") {
  auto refused = [](const std::string& path) {
    Tree tree;
    return tree.apply(Tar().add({"x", '0', "", "", 0644, 0, 0, {{"path", path}}})).error().code;
  };
  CHECK_EQ(refused(std::string(256, 'a')), Code::Corrupt);
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "d/";
  CHECK_EQ(refused(deep + "x"), Code::Corrupt);
  std::string wide;
  for (int i = 0; i < 30; ++i) wide += std::string(200, 'a') + "/";
  CHECK_EQ(refused(wide + "x"), Code::Corrupt);
}

TEST_CASE("of the extended attributes only harmless ones are kept") {
  Tree tree;
  std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  tree.must_apply(Tar().add({"x", '0', "", "", 0755, 0, 0,
                             {{"SCHILY.xattr.user.mine", "kept"},
                              {"SCHILY.xattr.security.capability", capability},
                              {"SCHILY.xattr.trusted.overlay.opaque", "y"},
                              {"SCHILY.xattr.user.overlay.opaque", "y"},
                              {"SCHILY.xattr.security.selinux", "unconfined"}}}));
  char names[1024];
  ssize_t size = listxattr(tree.root("x").c_str(), names, sizeof names);
  std::string all(names, size > 0 ? static_cast<size_t>(size) : 0);
  CHECK(has(all, "user.mine"));
  CHECK(has(all, "security.capability"));
  CHECK_FALSE(has(all, "overlay"));
  CHECK_FALSE(has(all, "selinux"));
}

TEST_CASE("more than an image may hold is refused") {
  UnpackLimits few;
  few.entries_max = 10;
  Tree entries(few);
  Tar many;
  for (int i = 0; i < 11; ++i) many.file("f" + std::to_string(i), "");
  CHECK_EQ(entries.apply(many).error().code, Code::Exhausted);

  UnpackLimits small;
  small.bytes_max = 1000;
  Tree bytes(small);
  CHECK_EQ(bytes.apply(Tar().file("a", std::string(600, 'x')).file("b", std::string(600, 'x'))).error().code, Code::Exhausted);
  // A sparse file counts with its holes.
  Tree holes(small);
  CHECK_EQ(holes.apply(Tar().add({"x", '0', "1\n0\n5\n" + std::string(506, '\0') + "hello", "", 0644, 0, 0,
                                  {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "x"},
                                   {"GNU.sparse.realsize", "99999999999"}}}))
               .error()
               .code,
           Code::Exhausted);
}

TEST_CASE("a compression bomb is cut off early") {
  UnpackLimits limits;
  limits.ratio_max = 10;
  limits.bytes_free = 1 << 20;
  for (Packing packing : {Packing::Gzip, Packing::Zstd}) {
    Tree tree(limits);
    Bytes tar = Tar().file("zeros", std::string(20 << 20, '\0')).bytes();
    Bytes packed = pack(tar, packing);
    MemoryStream stream(packed);
    Status unpacked = unpack_layer(stream, {Digest::of(packed), packed.size(), Digest::of(tar)}, limits, *tree.writer);
    CHECK_EQ(unpacked.error().code, Code::Exhausted);
    CHECK(tree.facts("zeros").st_size <= 3 << 20);
  }
}

TEST_CASE("a tar that is cut off or scrambled is an error, never a crash") {
  Bytes tar = Tar().folder("d").file("d/x", std::string(2000, 'x')).link("l", "d").bytes();
  for (size_t size = 0; size < tar.size() - 1024; size += 100) {
    Tree tree;
    Bytes cut = tar.substr(0, size);
    MemoryStream stream(cut);
    Status unpacked = unpack_layer(stream, {Digest::of(tar), cut.size(), Digest::of(tar)}, {}, *tree.writer);
    CHECK_EQ(unpacked.error().code, Code::Corrupt);
    CHECK(has(unpacked.error().message, Digest::of(tar).text()));
  }
}
