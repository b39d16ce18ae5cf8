#include "flist/convert/layer_tree.h"

#include "flist/convert/block_pipeline.h"
#include "flist/convert/test_description.h"
#include "flist/convert/test_stores.h"
#include "image/oci/layer.h"
#include "image/unpacked/test_image.h"

using namespace mcloud;
using namespace mcloud::flist;
using image::Digest;
using image::Node;
using image::Tar;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Layers into a tree in memory. look() ends it.
struct Layers {
  explicit Layers(const image::UnpackLimits& limits_in = {})
      : limits(limits_in), tree(limits_in), blocks(stores, {}), sink(tree, blocks, limits_in) {}

  Status apply(const Tar& tar) {
    image::MemoryStream stream(tar.bytes());
    return image::unpack_layer(stream, {std::nullopt, tar.bytes().size(), Digest::of(tar.bytes())}, limits, sink,
                               image::ReadAhead::Yes);
  }
  void must_apply(const Tar& tar) {
    Status applied = apply(tar);
    REQUIRE_MESSAGE(applied.has_value(), applied.error().message);
  }
  Code refusal(const Tar& tar) {
    Status applied = apply(tar);
    REQUIRE_FALSE(applied.has_value());
    return applied.error().code;
  }
  void look() {
    if (!made.nodes.empty()) return;
    refs = blocks.finish().value();
    Result<image::Tree> finished = tree.finish(refs);
    REQUIRE_MESSAGE(finished.has_value(), finished.error().message);
    made = std::move(*finished);
  }
  // By the tree's own names: links are not followed.
  const Node* find(const std::string& path) {
    look();
    const Node* node = &made.nodes[0];
    for (size_t at = 0; at < path.size();) {
      size_t slash = std::min(path.find('/', at), path.size());
      auto child = node->children.find(path.substr(at, slash - at));
      if (child == node->children.end()) return nullptr;
      node = &made.nodes[child->second];
      at = slash + 1;
    }
    return node;
  }
  bool is_there(const std::string& path) { return find(path) != nullptr; }
  std::string text(const std::string& path) {
    const Node* node = find(path);
    if (node == nullptr || node->type != Node::Type::File) return "(no file)";
    std::string out;
    for (const image::BlockRef& ref : node->blocks) {
      out += stores.fetch(ref, std::min<uint64_t>(node->bytes - out.size(), image::kBlockBytes)).value();
    }
    return out;
  }
  std::vector<std::string> names(const std::string& path) {
    std::vector<std::string> out;
    const Node* node = find(path);
    REQUIRE(node != nullptr);
    for (const auto& entry : node->children) out.push_back(entry.first);
    return out;
  }

  image::UnpackLimits limits;
  MemoryStores stores;
  GrowingTree tree;
  BlockPipeline blocks;
  LayerTree sink;
  std::vector<image::BlockRef> refs;
  image::Tree made;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a layer's files, folders, links, devices and modes are in the tree") {
  Layers layers;
  layers.must_apply(Tar()
                        .folder("./")
                        .folder("./bin")
                        .file("./bin/app", "program", 04755)
                        .link("./bin/sh", "app")
                        .hard_link("./bin/same", "./bin/app")
                        .add({"pipe", '6', "", "", 0600})
                        .add({"disk", '4', "", "", 0660, 0, 6, {}, UINT64_MAX, 8, 1})
                        .add({"null", '3', "", "", 0666, 0, 0, {}, UINT64_MAX, 1, 3})
                        .add({"hidden", '3', "", "", 0666})
                        .file("etc/deep/er/file", "deep")
                        .folder("tmp", 01777));
  CHECK_EQ(layers.text("bin/app"), "program");
  CHECK_EQ(layers.find("bin/app")->mode, 04755);
  CHECK_EQ(layers.find("bin/app")->modified_s, 1'700'000'000);
  CHECK_EQ(layers.find("bin/sh")->target, "app");
  CHECK_EQ(layers.find("bin/same"), layers.find("bin/app"));
  CHECK_EQ(layers.find("pipe")->type, Node::Type::Fifo);
  CHECK_EQ(layers.find("disk")->type, Node::Type::BlockDevice);
  CHECK_EQ(layers.find("disk")->device_major, 8);
  CHECK_EQ(layers.find("null")->type, Node::Type::CharacterDevice);
  CHECK_EQ(layers.find("null")->device_minor, 3);
  CHECK_FALSE(layers.is_there("hidden"));  // 0:0 is a whiteout to an overlay
  CHECK_EQ(layers.text("etc/deep/er/file"), "deep");
  CHECK_EQ(layers.find("etc/deep")->modified_s, 0);
  CHECK_EQ(layers.find("tmp")->mode, 01777);
}

TEST_CASE("names that lead out of the tree are refused") {
  for (const char* name : {"../evil", "a/../../evil", "..", "a/..", "./../x"}) {
    Layers layers;
    Status applied = layers.apply(Tar().file(name, "evil"));
    CHECK_EQ(applied.error().code, Code::Corrupt);
    CHECK(has(applied.error().message, "\"..\" is not allowed"));
  }
}

TEST_CASE("links lead around as a kernel follows them below a root folder") {
  Layers layers;
  layers.must_apply(Tar()
                        .folder("real/sub")
                        .link("absolute", "/real")
                        .link("upwards", "../../../../real/./sub/..")
                        .link("chain", "absolute")
                        .file("absolute/a")
                        .file("upwards/b")
                        .file("chain/sub/c")
                        .file("//real//d"));
  CHECK_EQ(layers.names("real"), Names{"a", "b", "d", "sub"});
  CHECK(layers.is_there("real/sub/c"));
  CHECK_EQ(Layers().refusal(Tar().link("way", "/nowhere").file("way/evil")), Code::Corrupt);
  CHECK_EQ(Layers().refusal(Tar().link("way", "nowhere/deeper").file("way/sub/evil")), Code::Corrupt);
  CHECK_EQ(Layers().refusal(Tar().file("file").file("file/evil")), Code::Corrupt);
  CHECK_EQ(Layers().refusal(Tar().link("a", "b").link("b", "a").file("a/evil")), Code::Corrupt);
  // 40 links in a row are followed, 41 are not.
  for (int links : {40, 41}) {
    Tar tar;
    tar.folder("l0");
    for (int i = 1; i <= links; ++i) tar.link("l" + std::to_string(i), "l" + std::to_string(i - 1));
    tar.file("l" + std::to_string(links) + "/x");
    CHECK_EQ(Layers().apply(tar).has_value(), links == 40);
  }
}

TEST_CASE("the last name of a path is not followed") {
  Layers layers;
  layers.must_apply(Tar().file("target", "old").link("file", "target").file("file", "mine"));
  layers.must_apply(Tar().link("folder", "/elsewhere").folder("folder", 0700).file("folder/x"));
  layers.must_apply(Tar().link("pipe", "target").add({"pipe", '6', "", "", 0600}));
  CHECK_EQ(layers.text("file"), "mine");
  CHECK_EQ(layers.text("target"), "old");
  CHECK(layers.is_there("folder/x"));
  CHECK_EQ(layers.find("pipe")->type, Node::Type::Fifo);
}

TEST_CASE("hard links name what is there, also in lower layers, and nothing else") {
  for (const char* target : {"../secret", "nothing", "folder", "folder/nothing", "way/x"}) {
    CHECK_EQ(Layers().refusal(Tar().folder("folder").link("way", "/gone").hard_link("mine", target)), Code::Corrupt);
  }
  Layers layers;
  layers.must_apply(Tar().file("low", "text").folder("d").link("way", "d").file("d/x", "x").link("to", "nothing"));
  layers.must_apply(Tar().hard_link("high", "/low").hard_link("through", "way/x").hard_link("also", "to"));
  layers.must_apply(Tar().file("twice", "text").hard_link("twice", "./twice"));
  CHECK_EQ(layers.find("high"), layers.find("low"));
  CHECK_EQ(layers.find("through"), layers.find("d/x"));
  CHECK_EQ(layers.find("also"), layers.find("to"));  // the link itself, not what it points to
  CHECK_EQ(layers.text("twice"), "text");
}

TEST_CASE("a file that a higher layer replaces keeps its other names") {
  Layers layers;
  layers.must_apply(Tar().file("a", "old").hard_link("b", "a"));
  layers.must_apply(Tar().file("a", "new"));
  CHECK_EQ(layers.text("a"), "new");
  CHECK_EQ(layers.text("b"), "old");
}

TEST_CASE("whiteouts hide what lower layers have") {
  Layers layers;
  layers.must_apply(Tar().file("etc/a").file("etc/b").file("etc/sub/c").folder("keep").file("keep/x"));
  layers.must_apply(Tar().file("etc/.wh.a", "").file("etc/.wh.sub", "").file(".wh.nothing", "").file("no/such/.wh.x", ""));
  CHECK_EQ(layers.names("etc"), Names{"b"});
  CHECK(layers.is_there("keep/x"));
  CHECK_FALSE(layers.is_there("no"));
}

TEST_CASE("an opaque folder keeps what its own layer brings, in any order") {
  Layers layers;
  layers.must_apply(Tar().file("d/old").file("d/sub/old").file("d/both", "old"));
  layers.must_apply(Tar().file("d/new").file("d/sub/new").file("d/both", "new").file("d/.wh..wh..opq", "").file("d/later"));
  layers.must_apply(Tar().file("d/fresh").file("d/.wh.fresh", ""));  // no whiteout of what the same layer brings
  CHECK_EQ(layers.names("d"), Names{"both", "fresh", "later", "new", "sub"});
  CHECK_EQ(layers.names("d/sub"), Names{"new"});
  CHECK_EQ(layers.text("d/both"), "new");
}

TEST_CASE("malformed whiteouts are refused, links are hidden and not what they point to") {
  for (const char* name : {".wh...", ".wh..", "a/.wh...", ".wh.x/y"}) {
    CHECK_EQ(Layers().refusal(Tar().folder("a").file(name, "")), Code::Corrupt);
  }
  Layers layers;
  layers.must_apply(Tar().folder("d").file("d/x").file("d/y").link("way", "d"));
  layers.must_apply(Tar().file("way/.wh.x", "").file(".wh.way", "").file(".wh..wh.plnk", ""));
  CHECK_EQ(layers.names(""), Names{"d"});
  CHECK_EQ(layers.names("d"), Names{"y"});
}

TEST_CASE("a folder that becomes something else is gone with its content, and back") {
  Layers layers;
  layers.must_apply(Tar().file("d/x").file("e/y").folder("f"));
  layers.must_apply(Tar().file("d", "now a file").link("e", "d").add({"f", '6', "", "", 0600}));
  layers.must_apply(Tar().folder("f").file("f/new"));
  CHECK_EQ(layers.text("d"), "now a file");
  CHECK_EQ(layers.find("e")->type, Node::Type::Link);
  CHECK_EQ(layers.names("f"), Names{"new"});
  CHECK_EQ(Layers().refusal(Tar().file("d/x").file("d", "same layer")), Code::Corrupt);
}

TEST_CASE("a folder named again takes the newer owner, mode, time and attributes") {
  Layers layers;
  layers.must_apply(Tar()
                        .add({"d", '5', "", "", 0755, 1, 2, {{"SCHILY.xattr.user.old", "1"}}})
                        .file("d/x"));
  layers.must_apply(Tar().add({"d", '5', "", "", 0700, 3, 4, {{"SCHILY.xattr.user.new", "2"}, {"mtime", "1700000005.25"}}}));
  const Node* folder = layers.find("d");
  CHECK_EQ(folder->mode, 0700);
  CHECK_EQ(folder->user, 3);
  CHECK_EQ(folder->modified_s, 1'700'000'005);
  CHECK_EQ(folder->modified_ns, 250'000'000);
  CHECK_EQ(folder->attributes, std::map<std::string, std::string>{{"user.new", "2"}});
  CHECK(layers.is_there("d/x"));
}

TEST_CASE("a layer's ids above the range are refused") {
  Layers layers;
  CHECK_EQ(layers.refusal(Tar().add({"y", '0', "", "", 0644, 65'536, 0})), Code::Unsupported);
  CHECK_EQ(Layers().refusal(Tar().add({"y", '0', "", "", 0644, 0, 0, {{"gid", "4294967295"}}})), Code::Unsupported);
  Layers fits;
  fits.must_apply(Tar().add({"x", '0', "", "", 0644, 65'535, 65'535}));
  CHECK_EQ(fits.find("x")->user, 65'535);
}

TEST_CASE("names in UTF-8, in other bytes, and long ones are kept in the tree") {
  Layers layers;
  std::string pax = "gr\xc3\xbc\xc3\x9f/\xe6\x97\xa5\xe6\x9c\xac";
  std::string latin = "gr\xfc\xdf";
  std::string longer = std::string(150, 'a') + "/" + std::string(250, 'b');
  layers.must_apply(Tar().add({"x", '0', "utf", "", 0644, 0, 0, {{"path", pax}}}).file(latin, "latin").add(
      {"y", '0', "long", "", 0644, 0, 0, {{"path", longer}}}));
  CHECK_EQ(layers.text(pax), "utf");
  CHECK_EQ(layers.text(latin), "latin");
  CHECK_EQ(layers.text(longer), "long");
}

TEST_CASE("only harmless attributes come into the tree") {
  Layers layers;
  std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  layers.must_apply(Tar().add({"x", '0', "", "", 0755, 0, 0,
                               {{"SCHILY.xattr.user.mine", "kept"},
                                {"SCHILY.xattr.security.capability", capability},
                                {"SCHILY.xattr.trusted.overlay.opaque", "y"},
                                {"SCHILY.xattr.trusted.other", "y"},
                                {"SCHILY.xattr.user.overlay.opaque", "y"},
                                {"SCHILY.xattr.security.selinux", "unconfined"}}}));
  std::map<std::string, std::string> expected = {{"security.capability", capability}, {"user.mine", "kept"}};
  CHECK_EQ(layers.find("x")->attributes, expected);
}

TEST_CASE("a hole is one block however long it is, and the digest covers it") {
  Layers layers;
  constexpr uint64_t kBytes = 10 * image::kBlockBytes + 5;
  layers.must_apply(Tar().add({"x", '0', "1\n5242875\n10\n" + std::string(512 - 13, '\0') + "0123456789", "", 0644, 0, 0,
                               {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "sparse"},
                                {"GNU.sparse.realsize", std::to_string(kBytes)}}}));
  const Node* file = layers.find("sparse");
  REQUIRE(file != nullptr);
  std::string expected = std::string(kBytes - 10, '\0') + "0123456789";
  CHECK_EQ(file->bytes, kBytes);
  CHECK_EQ(to_hex(file->sha256), to_hex(crypto::sha256(expected)));
  CHECK(layers.text("sparse") == expected);
  CHECK_EQ(file->blocks[0].key, image::zero_block_key());
  CHECK_EQ(layers.stores.blocks(), 3);
}

TEST_CASE("what an image may not hold is refused before it is held") {
  image::UnpackLimits few;
  few.entries_max = 10;
  Tar many;
  for (int i = 0; i < 11; ++i) many.file("f" + std::to_string(i), "");
  CHECK_EQ(Layers(few).refusal(many), Code::Exhausted);
  CHECK_EQ(Layers(few).refusal(Tar().file("a/b/c/d/e/f/g/h/i/j/k", "")), Code::Exhausted);  // folders count

  image::UnpackLimits small;
  small.bytes_max = 1000;
  CHECK_EQ(Layers(small).refusal(Tar().file("a", std::string(600, 'x')).file("b", std::string(600, 'x'))), Code::Exhausted);
  CHECK_EQ(Layers(small).refusal(Tar().add({"x", '0', "1\n0\n5\n" + std::string(506, '\0') + "hello", "", 0644, 0, 0,
                                            {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"},
                                             {"GNU.sparse.name", "x"}, {"GNU.sparse.realsize", "99999999999"}}})),
           Code::Exhausted);
  // Paths that walk through links without end.
  image::UnpackLimits walks;
  walks.entries_max = 300;
  std::string around;
  for (int i = 0; i < 35; ++i) around += "d/";
  Tar tar;
  tar.add({"d", '2', "", "."}).add({"w", '2', "", around});
  for (int i = 0; i < 290; ++i) tar.file((i % 2 == 0 ? "w/f" : "d/w/f") + std::to_string(i));
  Layers walking(walks);
  Status walked = walking.apply(tar);
  CHECK_EQ(walked.error().code, Code::Exhausted);
  CHECK(has(walked.error().message, "lead around too much"));
}

TEST_CASE("a layer that is cut off is an error that names it") {
  Bytes tar = Tar().folder("d").file("d/x", std::string(2000, 'x')).link("l", "d").bytes();
  for (size_t size = 0; size < tar.size() - 1024; size += 100) {
    Layers layers;
    Bytes cut = tar.substr(0, size);
    image::MemoryStream stream(cut);
    Status unpacked = image::unpack_layer(stream, {Digest::of(tar), cut.size(), Digest::of(tar)}, {}, layers.sink,
                                          image::ReadAhead::Yes);
    CHECK_EQ(unpacked.error().code, Code::Corrupt);
    CHECK(has(unpacked.error().message, Digest::of(tar).text()));
  }
}
