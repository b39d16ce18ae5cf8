#include "flist/lazy_images.h"

#include <algorithm>
#include <set>

#include "flist/images_by_kind.h"
#include "flist/test_flist.h"
#include "io/file.h"
#include "testing/temporary_folder.h"
#include "wire/http_server.h"

using namespace mcloud;
using namespace mcloud::flist;

namespace {

// What the lazy file system was told.
struct FakeProcess {
  std::vector<image::Attachment> attached;
  std::set<std::string> open;  // digests with open files
  bool is_gone = false;
  int starts = 0;
  image::MountFigures figures;
};

class FakeMount final : public image::ImageMount {
 public:
  explicit FakeMount(FakeProcess& process) : process_(process) { process_.is_gone = false, ++process_.starts; }
  Result<std::string> attach(const image::Attachment& attachment) override {
    if (process_.is_gone) return make_error(Code::Unavailable, "gone");
    process_.attached.push_back(attachment);
    return "/mount/" + attachment.digest.substr(7) + (attachment.shift == 0 ? "" : "-" + std::to_string(attachment.shift));
  }
  Status detach(const std::string& digest) override {
    if (process_.open.contains(digest)) return make_error(Code::Conflict, "files are open");
    std::erase_if(process_.attached, [&](const image::Attachment& one) { return one.digest == digest; });
    return {};
  }
  Result<image::MountFigures> figures() override { return process_.figures; }
  Result<std::vector<std::string>> trace(const std::string&) override { return std::vector<std::string>(); }
  Status stop() override { return {}; }

 private:
  FakeProcess& process_;
};

Result<Imported> import_in_this_process(const std::string& path) {
  Flist flist = TRY(read_flist(path));
  Imported out{image::write_index(flist.image), image::Digest::of(""), flist.routes, flist.tags, {}, flist.trace};
  out.digest = image::image_digest(out.index);
  for (const ImageSignature& one : flist.signatures) {
    if (verify_signature(one, out.digest)) out.signatures.push_back(one);
  }
  return out;
}

struct World {
  World() { options.folder = folder / "images"; }
  std::unique_ptr<image::Images> open() {
    options.open_mount = [this]() -> Result<std::unique_ptr<image::ImageMount>> { return std::make_unique<FakeMount>(process); };
    options.import = import_in_this_process;
    Result<std::unique_ptr<image::Images>> opened = open_lazy_images(options);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    return std::move(*opened);
  }
  // Writes the file and says how to ask for it.
  image::ImageWanted write(const Flist& flist, const std::string& name = "web.fl") {
    REQUIRE(write_flist(folder / name, flist).has_value());
    return {"fl:" + (folder / name), image::image_digest(image::write_index(flist.image)).text()};
  }

  testing::TemporaryFolder folder;
  FakeProcess process;
  LazyImagesOptions options;
};

const crypto::SigningKey kSigner = crypto::SigningKey::from_seed(Bytes(32, 's')).value();    // of signed_flist()
const crypto::SigningKey kStranger = crypto::SigningKey::from_seed(Bytes(32, 't')).value();

// With a document that says how to run it.
Flist signed_flist() {
  Flist flist = example_flist();
  flist.image.config = R"({"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/app"],"User":"web"},
                          "rootfs":{"type":"layers","diff_ids":[]}})";
  flist.signatures = {sign_image(kSigner, image::image_digest(image::write_index(flist.image)))};
  return flist;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an image of a .fl file is attached by its verified index, and is there after a restart without its source") {
  World world;
  Flist flist = signed_flist();
  image::ImageWanted wanted = world.write(flist);
  wanted.signers = {kSigner.public_key()};
  std::string hex = wanted.digest.substr(7);
  auto images = world.open();
  CHECK_EQ(world.process.starts, 0);  // no process before an image needs it
  CHECK_EQ(images->find(wanted.digest).error().code, Code::NotFound);
  Result<image::PreparedImage> prepared = images->prepare(wanted);
  REQUIRE_MESSAGE(prepared.has_value(), prepared.error().message);
  CHECK_EQ(prepared->root_folder, "/mount/" + hex);
  CHECK(prepared->bytes > 0);
  CHECK_EQ(prepared->config.command, std::vector<std::string>{"/bin/app"});
  CHECK_EQ(prepared->config.user, "web");
  REQUIRE_EQ(world.process.attached.size(), 1u);
  CHECK_EQ(world.process.attached[0].routes, flist.routes);
  CHECK_EQ(world.process.attached[0].trace, flist.trace);
  CHECK_EQ(image::Digest::of(io::read_file(world.process.attached[0].index_path).value()).text(), wanted.digest);
  CHECK(io::exists(world.folder / "images/fl/" + hex + ".fl"));

  REQUIRE(io::remove_tree(world.folder / "web.fl").has_value());
  auto again = world.open();
  CHECK_EQ(again->list().value(), std::vector<std::string>{wanted.digest});
  Result<image::PreparedImage> found = again->find(wanted.digest);
  REQUIRE(found.has_value());
  CHECK_EQ(found->bytes, prepared->bytes);
  CHECK_EQ(found->config.user, "web");
  CHECK(again->prepare(wanted).has_value());
}

TEST_CASE("a file that holds another digest is refused with both digests before anything is mounted") {
  World world;
  image::ImageWanted wanted = world.write(signed_flist());
  std::string held = wanted.digest;
  wanted.digest = image::Digest::of("another").text();
  auto images = world.open();
  Error refused = images->prepare(wanted).error();
  CHECK_EQ(refused.code, Code::Corrupt);
  CHECK(has(refused.message, held));
  CHECK(has(refused.message, wanted.digest));
  CHECK_EQ(world.process.starts, 0);
  CHECK(images->list().value().empty());
  CHECK(io::list_folder(world.folder / "images/fl").value().empty());
}

TEST_CASE("an image that lacks a required signature is refused until its source has it") {
  World world;
  Flist flist = signed_flist();
  image::ImageWanted wanted = world.write(flist);
  auto images = world.open();
  CHECK(images->prepare(wanted).has_value());  // without the condition it is fine, and stays here
  wanted.signers = {kSigner.public_key(), kStranger.public_key()};
  Error refused = images->prepare(wanted).error();
  CHECK_EQ(refused.code, Code::Denied);
  CHECK(has(refused.message, kStranger.public_key().hex()));
  CHECK(has(refused.message, wanted.digest));

  image::Digest digest = image::Digest::parse(wanted.digest).value();
  ImageSignature forged = sign_image(kStranger, image::Digest::of("another"));
  flist.signatures.push_back(forged);
  world.write(flist);
  CHECK_EQ(images->prepare(wanted).error().code, Code::Denied);
  flist.signatures.back() = sign_image(kStranger, digest);
  world.write(flist);
  CHECK(images->prepare(wanted).has_value());
  REQUIRE(io::remove_tree(world.folder / "web.fl").has_value());
  CHECK(images->prepare(wanted).has_value());  // known from now on
}

TEST_CASE("an index that rotted on disk is not mounted, and the next prepare brings it anew") {
  World world;
  image::ImageWanted wanted = world.write(signed_flist());
  REQUIRE(world.open()->prepare(wanted).has_value());
  std::string path = world.folder / "images/index/" + wanted.digest.substr(7);
  Bytes bytes = io::read_file(path).value();
  bytes[bytes.size() / 2] ^= 1;
  REQUIRE(io::write_file(path, bytes, io::Durability::None).has_value());
  world.process.attached.clear();
  auto images = world.open();
  CHECK_EQ(images->find(wanted.digest).error().code, Code::Corrupt);
  CHECK(world.process.attached.empty());
  CHECK(images->prepare(wanted).has_value());
  REQUIRE(io::write_file(path + ".json", "{", io::Durability::None).has_value());
  CHECK(world.open()->prepare(wanted).has_value());
}

TEST_CASE("a lazy file system that died is started again for the next container") {
  World world;
  image::ImageWanted wanted = world.write(signed_flist());
  auto images = world.open();
  REQUIRE(images->prepare(wanted).has_value());
  world.process.is_gone = true;
  CHECK(images->find(wanted.digest).has_value());
  CHECK_EQ(world.process.starts, 2);
}

TEST_CASE("where the kernel cannot map owners, each range of users has the image with owners of its own") {
  World world;
  image::ImageWanted wanted = world.write(signed_flist());
  world.process.figures.has_idmap = true;
  auto images = world.open();
  CHECK_EQ(images->shifted_root(wanted.digest, 65'536).error().code, Code::NotFound);
  REQUIRE(images->prepare(wanted).has_value());
  CHECK_EQ(images->shifted_root(wanted.digest, 65'536).value(), std::nullopt);
  CHECK_EQ(world.process.attached.size(), 1u);
  world.process.figures.has_idmap = false;
  images = world.open();
  CHECK_EQ(images->shifted_root(wanted.digest, 65'536).value(), "/mount/" + wanted.digest.substr(7) + "-65536");
  CHECK_EQ(world.process.attached.back().shift, 65'536);
}

TEST_CASE("an image in use is not removed, another leaves nothing") {
  World world;
  image::ImageWanted wanted = world.write(signed_flist());
  auto images = world.open();
  REQUIRE(images->prepare(wanted).has_value());
  world.process.open = {wanted.digest};
  CHECK_EQ(images->remove(wanted.digest).error().code, Code::Conflict);
  CHECK(images->find(wanted.digest).has_value());
  world.process.open.clear();
  CHECK(images->remove(wanted.digest).has_value());
  CHECK(images->remove(wanted.digest).has_value());
  CHECK(world.process.attached.empty());
  CHECK(images->list().value().empty());
  for (const char* part : {"images/fl", "images/index"}) CHECK(io::list_folder(world.folder / part).value().empty());
}

TEST_CASE("a .fl file comes from a web server within its bounds") {
  World world;
  image::ImageWanted wanted = world.write(signed_flist());
  Bytes file = io::read_file(world.folder / "web.fl").value();
  auto server = wire::HttpServer::start({}, [&](const wire::HttpRequest& request) -> wire::HttpAnswer {
    if (request.path() != "/team/web.fl") return wire::error_response(make_error(Code::NotFound, "no such file"));
    return wire::HttpResponse{200, "application/octet-stream", {}, file};
  }).value();
  std::string hub = "fl:http://127.0.0.1:" + std::to_string(server->port());
  wanted.source = hub + "/team/web.fl";
  CHECK(world.open()->prepare(wanted).has_value());
  wanted.digest = image::Digest::of("x").text();
  CHECK_EQ(world.open()->prepare({hub + "/other.fl", wanted.digest}).error().code, Code::NotFound);
  world.options.fetch.bytes_max = file.size() - 1;
  CHECK_EQ(world.open()->prepare(wanted).error().code, Code::Exhausted);
  server.reset();
  CHECK_EQ(world.open()->prepare(wanted).error().code, Code::Unavailable);
}

TEST_CASE("what keeps an image from being read is told in words") {
  World world;
  image::ImageWanted wanted = world.write(signed_flist());
  auto images = world.open();
  CHECK_EQ(images->trouble(wanted.digest), "");
  REQUIRE(images->prepare(wanted).has_value());
  CHECK_EQ(images->trouble(wanted.digest), "");
  image::ImageFigures figures{.digest = wanted.digest, .read_errors = 2};
  figures.stores.resize(3);
  figures.stores[0] = {.name = "dir:///good"};
  figures.stores[1].name = "dir:///lying", figures.stores[1].wrong = 1;
  figures.stores[2].name = "http://dead", figures.stores[2].is_failing = true;
  world.process.figures.images = {figures};
  CHECK_EQ(images->trouble(wanted.digest), "2 reads of the image failed; dir:///lying gave wrong bytes; http://dead does not answer");
}

namespace {

// Has one image.
class OneImage final : public image::Images {
 public:
  explicit OneImage(std::string name) : digest_(image::Digest::of(name).text()) {}
  Result<image::PreparedImage> prepare(const image::ImageWanted& wanted) override { return find(wanted.digest); }
  Result<image::PreparedImage> find(const std::string& digest) override {
    if (digest != digest_) return make_error(Code::NotFound, "not here");
    return image::PreparedImage{.digest = digest};
  }
  Result<std::vector<std::string>> list() override {
    return digest_.empty() ? std::vector<std::string>() : std::vector<std::string>{digest_};
  }
  Status remove(const std::string& digest) override {
    if (digest == digest_) digest_.clear();
    return {};
  }
  Status make_durable() override { return {}; }

 private:
  std::string digest_;
};

}  // namespace

TEST_CASE("images of both kinds are prepared by their kind, found and removed by who has them") {
  auto images = images_by_kind(std::make_unique<OneImage>("unpacked"), std::make_unique<OneImage>("lazy"));
  std::string unpacked = image::Digest::of("unpacked").text(), lazy = image::Digest::of("lazy").text();
  CHECK(images->prepare({"fl:/x.fl", lazy}).has_value());
  CHECK_FALSE(images->prepare({"fl:/x.fl", unpacked}).has_value());
  CHECK(images->prepare({"oci:/x", unpacked}).has_value());
  CHECK_FALSE(images->prepare({"/x", unpacked}).has_value());
  CHECK_EQ(images->list().value().size(), 2u);
  for (const std::string& digest : {unpacked, lazy}) {
    CHECK(images->find(digest).has_value());
    CHECK(images->remove(digest).has_value());
    CHECK_EQ(images->find(digest).error().code, Code::NotFound);
  }
}
