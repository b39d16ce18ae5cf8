// Random images, converted and compared in everything with what umoci and our own unpacker make of them.
#include <stdlib.h>

#include <map>

#include "flist/convert/sources.h"
#include "flist/convert/test_description.h"
#include "flist/convert/test_random_image.h"
#include "flist/convert/test_stores.h"
#include "image/oci/blobs.h"
#include "io/process.h"
#include "testing/source_tree.h"

using namespace mcloud;
using namespace mcloud::flist;

namespace {

uint64_t rounds() {
  const char* text = getenv("MCLOUD_TEST_ROUNDS");
  return text == nullptr ? 40 : strtoull(text, nullptr, 10);
}

bool has_umoci() { return io::run({{"umoci", "--version"}}).has_value(); }

Description unpacked_by_umoci(const std::string& layout, const std::string& to) {
  io::Command command{{"umoci", "raw", "unpack", "--image", layout + ":latest", to}};
  Result<io::Outcome> outcome = io::run_checked(command);
  REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
  return describe(to);
}

// Folders change their time when something below them does, and devices are left out.
Description comparable_with_unpacker(Description description) {
  using Type = image::Node::Type;
  std::erase_if(description, [](const auto& one) {
    return one.second.starts_with(std::to_string(static_cast<int>(Type::CharacterDevice))) ||
           one.second.starts_with(std::to_string(static_cast<int>(Type::BlockDevice)));
  });
  for (auto& [path, line] : description) {
    if (!line.starts_with(std::to_string(static_cast<int>(Type::Folder)))) continue;
    size_t at = line.find(" time ");
    line.erase(at, line.find_first_of(' ', at + 6) - at);
  }
  return description;
}

// Layouts of real images: those of recipes that have been built, and what $MCLOUD_TEST_IMAGES has (FOLDER/NAME/image).
std::vector<std::string> real_layouts() {
  std::vector<std::string> places = {testing::source_tree() + "/recipes"};
  if (const char* more = getenv("MCLOUD_TEST_IMAGES")) places.push_back(more);
  std::vector<std::string> out;
  for (const std::string& place : places) {
    Result<std::vector<std::string>> names = io::list_folder(place);
    REQUIRE_MESSAGE(names.has_value(), names.error().message);
    for (const std::string& name : *names) {
      std::string layout = place + "/" + name + "/image";
      if (io::exists(layout + "/index.json")) out.push_back(layout);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("random layered images are what umoci and our unpacker make of them") {
  if (!has_umoci()) return;
  for (uint64_t seed = 1; seed <= rounds(); ++seed) {
    CAPTURE(seed);
    image::TestFolder folder;
    std::string layout = folder / "layout";
    std::string digest = RandomImage(seed).make().write_layout(layout, static_cast<image::Packing>(seed % 3 == 0 ? 0 : 1));
    MemoryStores stores;
    ConvertOptions options;
    Assembly assembly(stores, options);
    Status loaded = load_source("oci:" + layout, assembly);
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
    Result<Converted> converted = assembly.finish();
    REQUIRE_MESSAGE(converted.has_value(), converted.error().message);
    Description ours = describe(converted->flist.image.tree, stores);

    std::string differs = difference(ours, unpacked_by_umoci(layout, folder / "umoci"));
    REQUIRE_MESSAGE(differs.empty(), differs);

    REQUIRE(io::make_folders(folder / "root").has_value());
    image::Digest name = image::Digest::parse(digest).value();
    REQUIRE(image::unpack_blobs(layout + "/blobs/sha256", name, {}, folder / "root").has_value());
    differs = difference(comparable_with_unpacker(ours), comparable_with_unpacker(describe(folder / "root")));
    REQUIRE_MESSAGE(differs.empty(), differs);
  }
}

TEST_CASE("real Debian images are what umoci makes of them") {
  if (!has_umoci()) return;
  for (const std::string& layout : real_layouts()) {
    CAPTURE(layout);
    image::TestFolder folder;
    ConvertOptions options;
    options.stores = {image::parse_route("dir://" + (folder / "blocks")).value()};
    Result<Converted> converted = convert("oci:" + layout, options);
    REQUIRE_MESSAGE(converted.has_value(), converted.error().message);
    auto stores = image::Routes::open(options.stores).value();
    Description ours = describe(converted->flist.image.tree, *stores);
    CHECK(ours.size() > 1);
    std::string differs = difference(ours, unpacked_by_umoci(layout, folder / "umoci"));
    CHECK_MESSAGE(differs.empty(), differs);
  }
}
