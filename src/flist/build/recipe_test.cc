#include "flist/build/recipe.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::flist;

namespace {

Recipe must(std::string_view text) {
  Result<Recipe> recipe = parse_recipe(text, "image.yaml");
  REQUIRE_MESSAGE(recipe.has_value(), recipe.error().message);
  return std::move(*recipe);
}

std::string refusal(std::string_view text) {
  Result<Recipe> recipe = parse_recipe(text, "image.yaml");
  REQUIRE_FALSE(recipe.has_value());
  CHECK_EQ(recipe.error().code, Code::Invalid);
  return recipe.error().message;
}

}  // namespace

TEST_CASE("a recipe says everything about an image") {
  Recipe recipe = must(R"(
from: debian
suite: bookworm
variant: minbase
packages: [nginx-light, libc6:amd64, "redis-server=5:7.0.15-1"]
documentation: true
time: 1700000000
remove: [/var/log/*, /etc/motd]
folders:
  /data: {mode: 0750, owner: 100:101}
  /srv:
files:
  /etc/motd: "hello\n"
  /usr/bin/app: {source: ./app, mode: 4755, owner: 33}
links:
  /bin/x: ../usr/bin/app
entrypoint: [/usr/bin/app]
command: [--serve, 80]
environment: {A: b, EMPTY: ""}
user: www-data
working_folder: /data//x/
stop_signal: SIGQUIT
volumes: [/data]
ports: [80, 53/udp]
)");
  CHECK_EQ(recipe.from, "debian");
  CHECK_EQ(recipe.variant, "minbase");
  CHECK_EQ(recipe.packages.size(), 3);
  CHECK(recipe.documentation);
  CHECK_EQ(recipe.time, 1'700'000'000);
  CHECK_EQ(recipe.removals[0].path, "var/log/*");
  CHECK_EQ(recipe.folders[0].mode, 0750);
  CHECK_EQ(recipe.folders[0].owner.group, 101);
  CHECK_EQ(recipe.folders[1].path, "srv");
  CHECK_EQ(recipe.files[0].content, "hello\n");
  CHECK_EQ(recipe.files[1].source, "./app");
  CHECK_EQ(recipe.files[1].mode.value(), 04755);
  CHECK_EQ(recipe.files[1].owner.group, 33);
  CHECK_EQ(recipe.links[0].target, "../usr/bin/app");
  CHECK_EQ(recipe.command.value(), std::vector<std::string>{"--serve", "80"});
  CHECK_EQ(recipe.environment[1].first, "EMPTY");
  CHECK_EQ(recipe.working_folder.value(), "/data/x");
  CHECK_EQ(recipe.ports, std::vector<std::string>{"80/tcp", "53/udp"});
  CHECK(recipe.changes_config());
  CHECK_FALSE(must("from: nothing\nfiles: {/x: y}\n").changes_config());
}

TEST_CASE("what is wrong with a recipe is one line that says where and what is allowed") {
  CHECK_EQ(refusal("from: debian\npackage: [x]\n"),
           "image.yaml:2: unknown field \"package\" (allowed: from, suite, variant, packages, documentation, time, remove, "
           "folders, files, links, entrypoint, command, environment, user, working_folder, stop_signal, volumes, ports)");
  CHECK_EQ(refusal("files: {/x: y}\n"), "image.yaml:1: from: is missing: what the image is made from");
  CHECK_EQ(refusal("from: oci:x\nfiles:\n  /x: {content: a, mode: 999}\n"),
           "image.yaml:3: files./x.mode: must be octal digits, as 0755, at most 7777");
  const std::pair<const char*, const char*> kWrong[] = {
      {"from: somewhere\n", "image.yaml:1: from: \"somewhere\" (allowed: debian, nothing, oci:"},
      {"from: oci:x\n\nsuite: bookworm\n", "image.yaml:3: suite: is for \"from: debian\" only"},
      {"from: debian\nvariant: huge\n", "image.yaml:2: variant: \"huge\" (allowed: extract, essential, minbase)"},
      {"from: debian\nvariant: extract\n", "packages: is missing"},
      {"from: debian\npackages:\n- good\n- -o=Dir\n", "image.yaml:4: packages: \"-o=Dir\" is no name of a package"},
      {"from: debian\nsuite: --help\n", "must be the name of a release"},
      {"from: nothing\nfiles: {x: y}\n", "must be an absolute path"},
      {"from: nothing\nfiles: {/a/../x: y}\n", "\"..\" is not allowed"},
      {"from: nothing\nfiles: {/: y}\n", "the root is there already"},
      {"from: nothing\nfiles: {/x: {content: a, source: b}}\n", "must have either content or source"},
      {"from: nothing\nfiles: {/x: {mode: 755}}\n", "must have either content or source"},
      {"from: nothing\nfiles: {/x: {content: a, owner: root}}\n", "must be USER or USER:GROUP, numbers from 0 to 65535"},
      {"from: nothing\nfiles: {/x: {content: a, owner: 65536}}\n", "numbers from 0 to 65535"},
      {"from: nothing\nremove: [/]\n", "the root cannot be removed"},
      {"from: nothing\nports: [0]\n", "must be 1 to 65535"},
      {"from: nothing\nports: [80/icmp]\n", "with /tcp or /udp"},
      {"from: nothing\nenvironment: {A=B: c}\n", "is no name of a variable"},
      {"from: nothing\nentrypoint: /bin/sh\n", "must be a list"},
      {"from: nothing\ntime: yesterday\n", "must be a whole number"},
      {"from: nothing\nfrom: nothing\n", "image.yaml:2: "},
      {"- from\n", "image.yaml:1: must be a map of fields"},
      {"", "must be a map of fields"},
      {"from: [\n", "image.yaml:"},
  };
  for (const auto& [text, part] : kWrong) {
    std::string message = refusal(text);
    CHECK_MESSAGE(message.find(part) != std::string::npos, message);
    CHECK(message.find('\n') == std::string::npos);
  }
}
