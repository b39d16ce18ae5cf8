#include <signal.h>
#include <sys/wait.h>

#include "image/image.h"
#include "image/unpacked/test_image.h"
#include "image/unpacked/unpacked_images.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TestImage small_image() {
  TestImage image;
  image.tars = {Tar().folder("bin").file("bin/app", "program", 0755).file("etc/old").bytes(),
                Tar().file("etc/.wh.old", "").file("etc/new", "fresh").bytes()};
  return image;
}

std::unique_ptr<Images> open_images(const std::string& folder) {
  UnpackOptions options;
  options.folder = folder;
  Result<std::unique_ptr<Images>> images = open_unpacked_images(options);
  REQUIRE_MESSAGE(images.has_value(), images.error().message);
  return std::move(*images);
}

void check_tree(const PreparedImage& image) {
  CHECK_EQ(read_text(image.root_folder + "/bin/app"), "program");
  CHECK_EQ(read_text(image.root_folder + "/etc/new"), "fresh");
  CHECK_FALSE(io::exists(image.root_folder + "/etc/old"));
  CHECK_EQ(image.config.command, std::vector<std::string>{"--serve"});
  CHECK_EQ(image.config.working_folder, "/srv");
  CHECK_EQ(image.bytes, 16);
}

}  // namespace

TEST_CASE("an OCI layout is unpacked, plain or compressed") {
  for (Packing packing : {Packing::Plain, Packing::Gzip, Packing::Zstd}) {
    TestFolder folder;
    std::string digest = small_image().write_layout(folder / "layout", packing);
    std::string source = "oci:" + (folder / "layout") + ":latest";
    CHECK_EQ(resolve_digest(source).value(), digest);
    std::unique_ptr<Images> images = open_images(folder / "images");
    CHECK_EQ(images->find(digest).error().code, Code::NotFound);
    Result<PreparedImage> prepared = images->prepare({source, digest});
    REQUIRE_MESSAGE(prepared.has_value(), prepared.error().message);
    check_tree(*prepared);
    CHECK_EQ(prepared->digest, digest);
    CHECK_EQ(images->list().value(), std::vector<std::string>{digest});
    // Again without the source.
    REQUIRE(io::remove_tree(folder / "layout").has_value());
    check_tree(images->prepare({source, digest}).value());
    check_tree(open_images(folder / "images")->find(digest).value());
    REQUIRE(images->remove(digest).has_value());
    CHECK(images->remove(digest).has_value());
    CHECK(images->list().value().empty());
    CHECK_EQ(images->prepare({source, digest}).error().code, Code::NotFound);
  }
}

TEST_CASE("strangers cannot reach the unpacked files") {
  TestFolder folder;
  open_images(folder / "images");
  struct stat facts {};
  REQUIRE_EQ(stat((folder / "images").c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & 0777, 0700);
}

TEST_CASE("one changed bit in any blob is found and named") {
  for (Packing packing : {Packing::Plain, Packing::Gzip, Packing::Zstd}) {
    TestFolder folder;
    std::string digest = small_image().write_layout(folder / "layout", packing);
    std::string blobs = folder / "layout/blobs/sha256";
    for (const std::string& name : io::list_folder(blobs).value()) {
      Bytes whole = read_text(blobs + "/" + name);
      for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 7) {
        Bytes changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        write_text(blobs + "/" + name, changed);
        std::unique_ptr<Images> images = open_images(folder / "images");
        Result<PreparedImage> prepared = images->prepare({"oci:" + (folder / "layout"), digest});
        REQUIRE_FALSE(prepared.has_value());
        CHECK_EQ(prepared.error().code, Code::Corrupt);
        CHECK_MESSAGE(has(prepared.error().message, "sha256:" + name), prepared.error().message);
        CHECK(images->list().value().empty());
        CHECK_EQ(io::list_folder(folder / "images").value(), std::vector<std::string>{"locks"});
      }
      write_text(blobs + "/" + name, whole);
    }
  }
}

TEST_CASE("a blob that is missing, cut off, longer or no file is refused") {
  TestFolder folder;
  std::string digest = small_image().write_layout(folder / "layout");
  std::string blobs = folder / "layout/blobs/sha256";
  std::unique_ptr<Images> images = open_images(folder / "images");
  for (const std::string& name : io::list_folder(blobs).value()) {
    std::string path = blobs + "/" + name;
    Bytes whole = read_text(path);
    auto outcome = [&] { return images->prepare({"oci:" + (folder / "layout"), digest}).error().code; };
    REQUIRE(io::remove_tree(path).has_value());
    CHECK_EQ(outcome(), Code::NotFound);
    write_text(path, whole.substr(0, whole.size() / 2));
    CHECK_EQ(outcome(), Code::Corrupt);
    write_text(path, "");
    CHECK_EQ(outcome(), Code::Corrupt);
    write_text(path, whole + "more");
    CHECK_EQ(outcome(), Code::Corrupt);
    REQUIRE(io::remove_tree(path).has_value());
    REQUIRE_EQ(mkfifo(path.c_str(), 0600), 0);
    CHECK_EQ(outcome(), Code::Corrupt);
    REQUIRE(io::remove_tree(path).has_value());
    REQUIRE_EQ(symlink("/etc/passwd", path.c_str()), 0);
    CHECK_FALSE(images->prepare({"oci:" + (folder / "layout"), digest}).has_value());
    write_text(path, whole);
  }
  CHECK(images->prepare({"oci:" + (folder / "layout"), digest}).has_value());
}

TEST_CASE("content that is not what the config names is refused") {
  TestFolder folder;
  TestImage image = small_image();
  TestImage other = small_image();
  other.tars[1] = Tar().file("etc/new", "other").bytes();
  // The config of one image, the layers of another, all digests of blobs right.
  std::string blobs = folder / "layout/blobs/sha256";
  REQUIRE(io::make_folders(blobs).has_value());
  nlohmann::json manifest = nlohmann::json::parse(other.write_blobs(blobs, Packing::Gzip));
  image.write_blobs(blobs, Packing::Gzip);
  manifest["config"] = TestImage::descriptor(image.config_json(), "application/vnd.oci.image.config.v1+json");
  Bytes mixed = manifest.dump();
  write_text(blobs + "/" + Digest::of(mixed).hex(), mixed);
  Result<PreparedImage> prepared =
      open_images(folder / "images")->prepare({"oci:" + (folder / "layout"), Digest::of(mixed).text()});
  CHECK_EQ(prepared.error().code, Code::Corrupt);
  CHECK(has(prepared.error().message, Digest::of(image.tars[1]).text()));
}

TEST_CASE("an image for another processor is refused") {
  TestFolder folder;
  TestImage image = small_image();
  image.architecture = "s390x";
  std::string digest = image.write_layout(folder / "layout");
  CHECK_EQ(open_images(folder / "images")->prepare({"oci:" + (folder / "layout"), digest}).error().code, Code::Unsupported);
}

TEST_CASE("the digest of an index takes this machine's manifest") {
  TestFolder folder;
  std::string blobs = folder / "layout/blobs/sha256";
  REQUIRE(io::make_folders(blobs).has_value());
  Bytes manifest = small_image().write_blobs(blobs, Packing::Gzip);
  nlohmann::json entry = TestImage::descriptor(manifest, "application/vnd.oci.image.manifest.v1+json");
  entry["platform"] = {{"os", "linux"}, {"architecture", machine_architecture()}};
  Bytes index = nlohmann::json{{"schemaVersion", 2}, {"manifests", {entry}}}.dump();
  write_text(blobs + "/" + Digest::of(index).hex(), index);
  check_tree(open_images(folder / "images")->prepare({"oci:" + (folder / "layout"), Digest::of(index).text()}).value());
}

TEST_CASE("tags are found, and a layout with several images needs one") {
  TestFolder folder;
  small_image().write_layout(folder / "layout", Packing::Gzip, "v1");
  std::string source = "oci:" + (folder / "layout");
  CHECK(resolve_digest(source + ":v1").has_value());
  CHECK(resolve_digest(source).has_value());
  Error missing = resolve_digest(source + ":v2").error();
  CHECK_EQ(missing.code, Code::NotFound);
  CHECK(has(missing.message, "v1"));
  nlohmann::json index = nlohmann::json::parse(read_text(folder / "layout/index.json"));
  index["manifests"].push_back(index["manifests"][0]);
  index["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"] = "v2";
  write_text(folder / "layout/index.json", index.dump());
  CHECK_EQ(resolve_digest(source).error().code, Code::NotFound);
  CHECK(resolve_digest(source + ":v2").has_value());
  CHECK_EQ(resolve_digest("oci:" + (folder / "nothing")).error().code, Code::NotFound);
}

TEST_CASE("a docker archive is named by its config and unpacked, links between layers included") {
  TestFolder folder;
  TestImage image = small_image();
  image.tars.push_back(image.tars[0]);
  image.tars[2] = image.tars[1];
  Bytes config = image.config_json();
  nlohmann::json manifest = {{{"Config", Digest::of(config).hex() + ".json"},
                              {"RepoTags", {"hello:v1"}},
                              {"Layers", {"a/layer.tar", "b/layer.tar", "c/layer.tar"}}}};
  Tar archive;
  archive.file("a/layer.tar", image.tars[0]).file("b/layer.tar", image.tars[1]).link("c/layer.tar", "../b/layer.tar");
  archive.file(Digest::of(config).hex() + ".json", config).file("manifest.json", manifest.dump());
  for (Packing packing : {Packing::Plain, Packing::Gzip}) {
    write_text(folder / "saved.tar", pack(archive.bytes(), packing));
    std::string source = "docker-archive:" + (folder / "saved.tar");
    std::string digest = resolve_digest(source + ":hello:v1").value();
    CHECK_EQ(digest, Digest::of(config).text());
    CHECK_EQ(resolve_digest(source).value(), digest);
    CHECK_EQ(resolve_digest(source + ":other").error().code, Code::NotFound);
    std::unique_ptr<Images> images = open_images(folder / "images");
    Result<PreparedImage> prepared = images->prepare({source, digest});
    REQUIRE_MESSAGE(prepared.has_value(), prepared.error().message);
    CHECK_EQ(read_text(prepared->root_folder + "/etc/new"), "fresh");
    REQUIRE(images->remove(digest).has_value());
  }
  // A layer that is not the one the config names.
  Tar changed;
  changed.file("a/layer.tar", image.tars[1]).file("b/layer.tar", image.tars[1]).link("c/layer.tar", "../../../etc/passwd");
  changed.file(Digest::of(config).hex() + ".json", config).file("manifest.json", manifest.dump());
  write_text(folder / "saved.tar", changed.bytes());
  std::string source = "docker-archive:" + (folder / "saved.tar");
  CHECK_EQ(open_images(folder / "images")->prepare({source, Digest::of(config).text()}).error().code, Code::Corrupt);
  CHECK_EQ(open_images(folder / "images")->prepare({source, Digest::of("x").text()}).error().code, Code::NotFound);
}

TEST_CASE("a preparer killed at any moment leaves nothing that counts") {
  TestFolder folder;
  TestImage image;
  Tar big;
  for (int i = 0; i < 400; ++i) big.file("f" + std::to_string(i), std::string(3000, 'x'));
  image.tars = {big.bytes()};
  std::string digest = image.write_layout(folder / "layout");
  for (int round = 0; round < 12; ++round) {
    int child = fork();
    if (child == 0) {
      std::unique_ptr<Images> images = open_images(folder / "images");
      bool is_good = images->prepare({"oci:" + (folder / "layout"), digest}).has_value();
      _exit(is_good ? 0 : 1);
    }
    usleep(static_cast<useconds_t>(round) * 1500);
    kill(child, SIGKILL);
    REQUIRE_EQ(waitpid(child, nullptr, 0), child);
    std::unique_ptr<Images> images = open_images(folder / "images");
    CHECK(io::list_folder(folder / "images").value().size() <= 2);  // locks, and the image if complete
    Result<PreparedImage> found = images->find(digest);
    if (!found.has_value()) continue;
    CHECK_EQ(io::list_folder(found->root_folder).value().size(), 400);
    CHECK_EQ(read_text(found->root_folder + "/f399").size(), 3000);
    REQUIRE(images->remove(digest).has_value());
  }
  CHECK(open_images(folder / "images")->prepare({"oci:" + (folder / "layout"), digest}).has_value());
}

TEST_CASE("after a power loss only images that reached the disk are believed") {
  TestFolder folder;
  std::string digest = small_image().write_layout(folder / "layout");
  std::string source = "oci:" + (folder / "layout");
  std::string image = folder / ("images/" + digest.substr(7));
  std::unique_ptr<Images> images = open_images(folder / "images");
  REQUIRE(images->prepare({source, digest}).has_value());
  // Another boot, and the disk lost a file.
  write_text(image + "/boot", "another-boot");
  REQUIRE(io::remove_tree(image + "/root/etc/new").has_value());
  CHECK_EQ(images->find(digest).error().code, Code::NotFound);
  CHECK(images->list().value().empty());
  check_tree(images->prepare({source, digest}).value());
  // Once durable, a boot changes nothing.
  REQUIRE(images->make_durable().has_value());
  REQUIRE(images->make_durable().has_value());
  write_text(image + "/boot", "another-boot");
  check_tree(open_images(folder / "images")->find(digest).value());
}

TEST_CASE("several processes that prepare one image do it once") {
  TestFolder folder;
  std::string digest = small_image().write_layout(folder / "layout");
  open_images(folder / "images");
  std::vector<int> children;
  for (int i = 0; i < 6; ++i) {
    int child = fork();
    if (child == 0) {
      std::unique_ptr<Images> images = open_images(folder / "images");
      Result<PreparedImage> prepared = images->prepare({"oci:" + (folder / "layout"), digest});
      _exit(prepared.has_value() && io::exists(prepared->root_folder + "/etc/new") ? 0 : 1);
    }
    children.push_back(child);
  }
  for (int child : children) {
    int ending = 1;
    REQUIRE_EQ(waitpid(child, &ending, 0), child);
    CHECK_EQ(ending, 0);
  }
  CHECK_EQ(open_images(folder / "images")->list().value().size(), 1);
}

TEST_CASE("what a registry brings is verified") {
  TestFolder folder;
  // A skopeo that serves a folder: "inspect --raw docker://NAME@DIGEST" and "copy ... docker://.. dir:TO".
  REQUIRE(io::make_folders(folder / "served").has_value());
  Bytes manifest = small_image().write_blobs(folder / "served", Packing::Gzip);
  write_text(folder / "served/manifest.json", manifest);
  std::string program = folder / "skopeo";
  std::string served = folder / "served";
  write_text(program, "#!/bin/sh\ncase \"$1\" in inspect) cat " + served + "/manifest.json;;\n" +
                          "*) for last; do :; done; mkdir \"${last#dir:}\"; cp " + served + "/* \"${last#dir:}\";; esac\n");
  REQUIRE_EQ(chmod(program.c_str(), 0755), 0);
  UnpackOptions options;
  options.folder = folder / "images";
  options.skopeo = program;
  std::unique_ptr<Images> images = std::move(open_unpacked_images(options).value());
  std::string digest = Digest::of(manifest).text();
  Result<PreparedImage> prepared = images->prepare({"docker://host/app:v1", digest});
  REQUIRE_MESSAGE(prepared.has_value(), prepared.error().message);
  check_tree(*prepared);
  CHECK_FALSE(io::exists(folder / ("images/" + Digest::of(manifest).hex() + "/download")));
  REQUIRE(images->remove(digest).has_value());
  write_text(folder / "served/manifest.json", manifest + " ");
  CHECK_EQ(images->prepare({"docker://host/app:v1", digest}).error().code, Code::Corrupt);
  options.skopeo = folder / "not-there";
  std::unique_ptr<Images> without = std::move(open_unpacked_images(options).value());
  CHECK_EQ(without->prepare({"docker://host/app:v1", digest}).error().code, Code::Unavailable);
}

TEST_CASE("digests that are none are refused") {
  TestFolder folder;
  std::unique_ptr<Images> images = open_images(folder / "images");
  for (const char* digest : {"", "sha256:", "sha256:../../../../etc", "md5:d41d8cd98f00b204e9800998ecf8427e"}) {
    CHECK_EQ(images->prepare({"oci:/x", digest}).error().code, Code::Invalid);
    CHECK_EQ(images->find(digest).error().code, Code::Invalid);
    CHECK_EQ(images->remove(digest).error().code, Code::Invalid);
  }
}
