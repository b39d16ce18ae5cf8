#include "flist/build.h"

#include <nlohmann/json.hpp>

#include "flist/convert/test_description.h"
#include "image/oci/manifest.h"
#include "image/unpacked/test_image.h"

using namespace mcloud;
using namespace mcloud::flist;
using image::Tar;
using image::TestFolder;
using image::TestImage;
using image::write_text;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Kitchen {
  Kitchen() { options.convert.stores = {image::parse_route("dir://" + (folder / "blocks")).value()}; }

  Result<Converted> cook(const std::string& recipe) {
    write_text(folder / "image.yaml", recipe);
    return build(folder / "image.yaml", options);
  }
  Converted must_cook(const std::string& recipe) {
    Result<Converted> made = cook(recipe);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    return std::move(*made);
  }
  Description describe(const Converted& made) {
    auto stores = image::Routes::open(options.convert.stores).value();
    return flist::describe(made.flist.image.tree, *stores);
  }

  TestFolder folder;
  BuildOptions options;
};

image::ImageConfig config_of(const Converted& made) {
  Result<image::ConfigDocument> document = image::parse_config(made.flist.image.config);
  REQUIRE_MESSAGE(document.has_value(), document.error().message);
  return document->config;
}

std::string sha256_of(const std::string& text) { return to_hex(crypto::sha256(text)); }

}  // namespace

TEST_CASE("an image from nothing holds what its recipe says") {
  Kitchen kitchen;
  write_text(kitchen.folder / "app", "#!/bin/sh\n");
  REQUIRE_EQ(chmod((kitchen.folder / "app").c_str(), 0700), 0);
  Converted made = kitchen.must_cook(R"(
from: nothing
time: 7
folders: {/data: {mode: 0750, owner: 100:101}}
files:
  /etc/deep/motd: {content: "hello\n", mode: 0600, owner: 5}
  /app: {source: app}
  /data/plain: text
links: {/bin/app: ../app}
entrypoint: [/app]
volumes: [/data]
ports: [80]
)");
  Description expected = {
      {"", "1 mode 493 owner 0:0 time 7.0"},
      {"/data", "1 mode 488 owner 100:101 time 7.0"},
      {"/data/plain", "2 mode 420 owner 0:0 time 7.0 bytes 4 sha256 " + sha256_of("text")},
      {"/etc", "1 mode 493 owner 0:0 time 0.0"},
      {"/etc/deep", "1 mode 493 owner 0:0 time 0.0"},
      {"/etc/deep/motd", "2 mode 384 owner 5:5 time 7.0 bytes 6 sha256 " + sha256_of("hello\n")},
      {"/app", "2 mode 493 owner 0:0 time 7.0 bytes 10 sha256 " + sha256_of("#!/bin/sh\n")},
      {"/bin", "1 mode 493 owner 0:0 time 0.0"},
      {"/bin/app", "3 mode 511 owner 0:0 time 7.0 to ../app"}};
  std::string differs = difference(expected, kitchen.describe(made));
  CHECK_MESSAGE(differs.empty(), differs);
  CHECK_EQ(config_of(made).entrypoint, std::vector<std::string>{"/app"});
  CHECK(has(config_of(made).environment.at(0), "PATH=/usr"));
  CHECK_EQ(config_of(made).volumes, std::vector<std::string>{"/data"});
  CHECK_EQ(kitchen.must_cook(image::read_text(kitchen.folder / "image.yaml")).digest, made.digest);
}

TEST_CASE("a recipe changes another image's files and how it starts") {
  Kitchen kitchen;
  TestImage base;
  base.tars = {Tar().file("etc/old").file("etc/keep", "kept").folder("var").file("var/log/a").file("var/log/b")
                   .link("way", "etc").file("app", "old", 0700).bytes()};
  base.write_layout(kitchen.folder / "base");
  Converted made = kitchen.must_cook(R"(
from: oci:base
remove: [/etc/old, /var/log/*]
files: {/app: new, /way/through: a link}
entrypoint: [/other]
environment: {A: changed, NEW: x}
)");
  Description tree = kitchen.describe(made);
  CHECK_FALSE(tree.contains("/etc/old"));
  CHECK(tree.contains("/var/log"));
  CHECK_FALSE(tree.contains("/var/log/a"));
  CHECK(tree.contains("/etc/through"));
  CHECK(has(tree["/app"], "mode 420"));
  CHECK(has(tree["/app"], sha256_of("new")));
  image::ImageConfig config = config_of(made);
  CHECK_EQ(config.entrypoint, std::vector<std::string>{"/other"});
  CHECK(config.command.empty());  // it was for the old entrypoint
  CHECK_EQ(config.environment, std::vector<std::string>{"A=changed", "PATH=/bin", "NEW=x"});
  CHECK_EQ(config.user, "web:34");

  // Without a word about it, the config stays as it was.
  Converted files_only = kitchen.must_cook("from: oci:base\nfiles: {/x: y}\n");
  CHECK_EQ(files_only.flist.image.config, base.config_json());
  CHECK(files_only.flist.image.origin.front().starts_with("manifest "));
  CHECK(files_only.flist.image.origin.back().starts_with("recipe "));
}

TEST_CASE("a recipe starts from a folder or from an image made before") {
  Kitchen kitchen;
  REQUIRE(io::make_folders(kitchen.folder / "root/bin").has_value());
  write_text(kitchen.folder / "root/bin/app", "app");
  Converted from_folder = kitchen.must_cook("from: ./root\nfiles: {/x: y}\n");
  CHECK(kitchen.describe(from_folder).contains("/bin/app"));
  REQUIRE(write_flist(kitchen.folder / "base.fl", from_folder.flist).has_value());
  Converted from_image = kitchen.must_cook("from: fl:base.fl\nremove: [/x]\nuser: '33'\n");
  CHECK_FALSE(kitchen.describe(from_image).contains("/x"));
  CHECK(kitchen.describe(from_image).contains("/bin/app"));
  CHECK_EQ(config_of(from_image).user, "33");
}

TEST_CASE("what a recipe cannot do is said with its line") {
  Kitchen kitchen;
  auto refusal = [&](const std::string& recipe) {
    Result<Converted> made = kitchen.cook(recipe);
    REQUIRE_FALSE(made.has_value());
    return made.error().message;
  };
  std::string at = kitchen.folder / "image.yaml:";
  CHECK_EQ(refusal("from: nothing\nremove:\n- /x\n"), at + "3: /x: is not in the image");
  CHECK(has(refusal("from: nothing\nfiles:\n  /x: {source: gone}\n"), at + "3: /x: "));
  CHECK(has(refusal("from: nothing\nfolders: {/x: }\nfiles:\n  /x: y\n"), at + "4: /x: there is a folder"));
  CHECK(has(refusal("from: nothing\nfiles:\n  /x: y\n  /x/z: y\n"), at + "4: /x/z: its folder \"x\" is not a folder"));
  CHECK(has(refusal("from: oci:gone\n"), "index.json"));
  CHECK(has(refusal("nonsense"), at + "1: "));
  BuildOptions none;
  CHECK_EQ(build(kitchen.folder / "image.yaml", none).error().code, Code::Invalid);
}

TEST_CASE("Debian's packages come by mmdebstrap, without what differs from build to build") {
  Kitchen kitchen;
  // A stand-in that writes what it was called with into the tar it is asked for.
  std::string program = kitchen.folder / "mmdebstrap";
  write_text(program,
             "#!/bin/sh\nfor tar; do case $tar in */root.tar) break;; esac; done\nroot=$(mktemp -d)\n"
             "mkdir -p $root/etc $root/var/lib/apt/lists $root/dev\necho \"$SOURCE_DATE_EPOCH $*\" > $root/etc/called\n"
             "echo host > $root/etc/hostname\ntouch $root/var/lib/apt/lists/index $root/dev/null\n"
             "tar -C $root -cf $tar .\nrm -r $root\n");
  REQUIRE_EQ(chmod(program.c_str(), 0755), 0);
  kitchen.options.mmdebstrap = program;
  kitchen.options.debian_sources = "/some.list";
  Converted made = kitchen.must_cook("from: debian\npackages: [nginx-light, curl]\ntime: 9\n");
  Description tree = kitchen.describe(made);
  CHECK_FALSE(tree.contains("/etc/hostname"));
  CHECK_FALSE(tree.contains("/dev/null"));
  CHECK_FALSE(tree.contains("/var/lib/apt/lists/index"));
  CHECK(tree.contains("/var/lib/apt/lists"));
  auto stores = image::Routes::open(kitchen.options.convert.stores).value();
  const image::Tree& all = made.flist.image.tree;
  const image::Node& called = all.nodes[all.nodes[all.nodes[0].children.at("etc")].children.at("called")];
  std::string words = stores->fetch(called.blocks.at(0), called.bytes).value();
  CHECK(has(words, "9 --variant=essential --mode=root --quiet --include=nginx-light,curl"));
  CHECK(has(words, "bookworm"));
  CHECK(has(words, "/some.list"));

  write_text(program, "#!/bin/sh\necho 'E: no such package' >&2\nexit 1\n");
  REQUIRE_EQ(chmod(program.c_str(), 0755), 0);
  Result<Converted> failed = kitchen.cook("from: debian\npackages: [x]\n");
  CHECK_EQ(failed.error().code, Code::Unavailable);
  CHECK(has(failed.error().message, "E: no such package"));
}
