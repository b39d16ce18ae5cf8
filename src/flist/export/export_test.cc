#include <stdlib.h>

#include "flist/convert/sources.h"
#include "flist/convert/test_description.h"
#include "flist/convert/test_random_image.h"
#include "flist/convert/test_stores.h"
#include "image/oci/blobs.h"
#include "io/process.h"

using namespace mcloud;
using namespace mcloud::flist;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Made {
  Converted converted;
  MemoryStores stores;
};

void make(const std::string& source, Made& out) {
  ConvertOptions options;
  Assembly assembly(out.stores, options);
  Status loaded = load_source(source, assembly);
  REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
  Result<Converted> made = assembly.finish();
  REQUIRE_MESSAGE(made.has_value(), made.error().message);
  out.converted = std::move(*made);
}

void must_export(Made& made, const std::string& folder, LayerCompression compression = LayerCompression::Gzip) {
  Status written = export_layout(made.converted.flist.image, made.stores, folder, "latest", compression);
  REQUIRE_MESSAGE(written.has_value(), written.error().message);
}

void must_run(std::vector<std::string> arguments) {
  Result<io::Outcome> outcome = io::run_checked({std::move(arguments)});
  REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
}

bool is_installed(const std::string& program) { return io::run({{program, "--version"}}).has_value(); }

// Every file of a folder with its bytes.
std::map<std::string, Bytes> files_in(const std::string& folder) {
  std::map<std::string, Bytes> out;
  for (const char* name : {"/index.json", "/oci-layout"}) out[name] = image::read_text(folder + name);
  for (const std::string& name : io::list_folder(folder + "/blobs/sha256").value()) {
    out[name] = image::read_text(folder + "/blobs/sha256/" + name);
  }
  return out;
}

uint64_t rounds() {
  const char* text = getenv("MCLOUD_TEST_ROUNDS");
  return text == nullptr ? 25 : strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("an exported image converts back to the same tree, and skopeo and umoci agree") {
  bool has_judges = is_installed("umoci") && is_installed("skopeo");
  for (uint64_t seed = 1; seed <= rounds(); ++seed) {
    CAPTURE(seed);
    image::TestFolder folder;
    RandomImage(1000 + seed).make().write_layout(folder / "layout");
    Made made;
    make("oci:" + (folder / "layout"), made);
    Description before = describe(made.converted.flist.image.tree, made.stores);
    LayerCompression compression = static_cast<LayerCompression>(seed % 3);
    must_export(made, folder / "exported", compression);

    Made again;
    make("oci:" + (folder / "exported") + ":latest", again);
    std::string differs = difference(before, describe(again.converted.flist.image.tree, again.stores));
    REQUIRE_MESSAGE(differs.empty(), differs);

    if (!has_judges || compression == LayerCompression::Zstd) continue;  // Debian's umoci knows no zstd
    must_run({"skopeo", "--insecure-policy", "copy", "--quiet", "oci:" + (folder / "exported") + ":latest",
              "oci:" + (folder / "copied") + ":latest"});
    must_run({"umoci", "raw", "unpack", "--image", (folder / "copied") + ":latest", folder / "unpacked"});
    differs = difference(before, describe(folder / "unpacked"));
    REQUIRE_MESSAGE(differs.empty(), differs);
  }
}

TEST_CASE("an export has the same bytes every time, and nothing is written over") {
  image::TestFolder folder;
  RandomImage(7).make().write_layout(folder / "layout");
  Made made;
  make("oci:" + (folder / "layout"), made);
  for (LayerCompression compression : {LayerCompression::None, LayerCompression::Gzip, LayerCompression::Zstd}) {
    std::string kind = std::to_string(static_cast<int>(compression));
    must_export(made, folder / ("a" + kind), compression);
    must_export(made, folder / ("b" + kind), compression);
    CHECK(files_in(folder / ("a" + kind)) == files_in(folder / ("b" + kind)));
  }
  Status again = export_layout(made.converted.flist.image, made.stores, folder / "a1", "latest");
  CHECK_EQ(again.error().code, Code::AlreadyExists);
}

TEST_CASE("an exported config keeps what its author said, for one layer") {
  image::TestFolder folder;
  image::TestImage source;
  source.tars = {image::Tar().file("a").bytes(), image::Tar().file("b").bytes()};
  source.write_layout(folder / "layout");
  Made made;
  make("oci:" + (folder / "layout"), made);
  nlohmann::json config = nlohmann::json::parse(made.converted.flist.image.config);
  config["history"] = {{{"created_by", "first"}}, {{"created_by", "second"}, {"empty_layer", true}}};
  made.converted.flist.image.config = config.dump();
  must_export(made, folder / "exported");
  image::MemoryStream nothing("");
  Made again;
  make("oci:" + (folder / "exported"), again);
  nlohmann::json exported = nlohmann::json::parse(again.converted.flist.image.config);
  CHECK_EQ(exported["config"], config["config"]);
  CHECK_EQ(exported["rootfs"]["diff_ids"].size(), 1);
  int layers = 0;
  for (const auto& entry : exported["history"]) layers += entry.value("empty_layer", false) ? 0 : 1;
  CHECK_EQ(layers, 1);
  CHECK_EQ(exported["history"].size(), 3);
}

TEST_CASE("a large file of holes is exported and unpacked as holes") {
  image::TestFolder folder;
  REQUIRE(io::make_folders(folder / "root").has_value());
  constexpr off_t kBytes = 3'000'000'000;
  image::write_text(folder / "root/sparse", "start");
  REQUIRE_EQ(truncate((folder / "root/sparse").c_str(), kBytes), 0);
  Made made;
  make(folder / "root", made);
  CHECK(made.stores.blocks() <= 3);
  must_export(made, folder / "exported", LayerCompression::None);
  Made again;
  make("oci:" + (folder / "exported"), again);
  CHECK_EQ(again.converted.flist.image.tree, made.converted.flist.image.tree);
  if (!is_installed("umoci")) return;
  must_run({"umoci", "raw", "unpack", "--image", (folder / "exported") + ":latest", folder / "unpacked"});
  struct stat facts {};
  REQUIRE_EQ(stat((folder / "unpacked/sparse").c_str(), &facts), 0);
  CHECK_EQ(facts.st_size, kBytes);
}

TEST_CASE("an export whose blocks are gone, or that cannot be a tar, fails and leaves no image") {
  image::TestFolder folder;
  image::TestImage source;
  source.tars = {image::Tar().file("a", "content").bytes()};
  source.write_layout(folder / "layout");
  Made made;
  make("oci:" + (folder / "layout"), made);
  MemoryStores empty;
  Status written = export_layout(made.converted.flist.image, empty, folder / "exported", "latest");
  CHECK_EQ(written.error().code, Code::NotFound);
  CHECK(has(written.error().message, "path \"a\""));
  CHECK_FALSE(io::exists(folder / "exported/index.json"));

  image::Image odd = made.converted.flist.image;
  odd.tree.nodes[0].attributes["user.a=b"] = "x";
  CHECK_EQ(export_layout(odd, made.stores, folder / "odd", "latest").error().code, Code::Unsupported);
  odd = made.converted.flist.image;
  odd.config = "[]";
  CHECK_EQ(export_layout(odd, made.stores, folder / "config", "latest").error().code, Code::Corrupt);
}
