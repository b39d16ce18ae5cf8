#include "cli/image_path.h"

#include <doctest/doctest.h>

#include "image/tree/test_tree.h"

using namespace mcloud;
using namespace mcloud::cli;

namespace {

std::shared_ptr<const image::Index> index_of(const image::Image& image) {
  REQUIRE(image.check().has_value());
  return image::Index::parse(image::write_index(image)).value();
}

// /bin -> usr/bin, /usr/bin/sh -> /usr/bin/dash, circles, a way out.
image::Image linked_image() {
  using image::test_folder;
  image::Image image;
  auto link = [](std::string target) {
    image::Node node;
    node.type = image::Node::Type::Link;
    node.mode = 0777;
    node.target = std::move(target);
    return node;
  };
  image.tree.nodes = {test_folder({{"bin", 1}, {"usr", 2}, {"round", 6}, {"out", 7}}), link("usr/bin"), test_folder({{"bin", 3}}),
                      test_folder({{"sh", 4}, {"dash", 5}}), link("/usr/bin/dash"), image::test_file(10, 1), link("round"),
                      link("../../../usr/bin/dash")};
  return image;
}

std::string outcome(const image::Index& index, std::string_view path, LastLink last = LastLink::Follow) {
  Result<image::NodeNumber> found = find_path(index, path, last);
  if (!found.has_value()) return found.error().code == Code::NotFound ? "absent" : "invalid";
  return std::string(type_word(index.node(*found).type));
}

std::string text_of(const std::vector<ImageChange>& changes) {
  std::string out;
  for (const ImageChange& change : changes) {
    out += change.kind == ImageChange::Kind::Added ? "+" : change.kind == ImageChange::Kind::Removed ? "-" : "~";
    out += change.path;
    for (const std::string& what : change.what) out += " " + what;
    out += ";";
  }
  return out;
}

}  // namespace

TEST_CASE("paths lead through links inside the image and never out of it") {
  auto index = index_of(linked_image());
  for (const char* path : {"/bin/sh", "bin/sh", "//usr/./bin/../bin/sh", "/out", "/../../usr/bin/dash"}) {
    CAPTURE(path);
    CHECK_EQ(outcome(*index, path), "file");
  }
  CHECK_EQ(outcome(*index, "/bin", LastLink::Stay), "link");
  CHECK_EQ(outcome(*index, "/bin/sh", LastLink::Stay), "link");
  CHECK_EQ(outcome(*index, "/"), "folder");
  CHECK_EQ(outcome(*index, ""), "folder");
  CHECK_EQ(outcome(*index, "/bin/zsh"), "absent");
  CHECK_EQ(outcome(*index, "/bin/sh/x"), "invalid");
  CHECK_EQ(outcome(*index, "/round"), "invalid");
}

TEST_CASE("modes look as ls shows them") {
  auto mode = [](image::Node::Type type, uint16_t bits) { return mode_text({.type = type, .mode = bits}); };
  CHECK_EQ(mode(image::Node::Type::Folder, 01777), "drwxrwxrwt");
  CHECK_EQ(mode(image::Node::Type::File, 04755), "-rwsr-xr-x");
  CHECK_EQ(mode(image::Node::Type::File, 06644), "-rwSr-Sr--");
  CHECK_EQ(mode(image::Node::Type::Link, 0777), "lrwxrwxrwx");
  CHECK_EQ(mode(image::Node::Type::CharacterDevice, 0), "c---------");
}

TEST_CASE("a difference says what differs, and equal images have none") {
  image::Image before = image::example_image();
  CHECK_EQ(text_of(image_changes(*index_of(before), *index_of(before), {})), "");
  image::Image after = before;
  image::Node& app = after.tree.nodes[4];
  app.mode = 0755;
  app.user = 13;
  app.modified_s += 1;
  app.attributes.erase("user.empty");
  app.blocks[0] = image::test_block(99);
  after.tree.nodes[5].target = "elsewhere";
  after.tree.nodes[3].children.erase("null");
  after.tree.nodes[0].children["null"] = 6;
  std::string changes = text_of(image_changes(*index_of(before), *index_of(after), {}));
  CHECK_EQ(changes, "~bin/app content mode owner time attributes;~bin/sh target;-dev/null;+null;~usr/app content mode owner time attributes;");
  image::Image later = before;
  later.tree.nodes[0].modified_s = 5;
  CHECK_EQ(text_of(image_changes(*index_of(before), *index_of(later), {})), "~ time;");
  CHECK_EQ(text_of(image_changes(*index_of(before), *index_of(later), {.ignores_times = true})), "");
}
