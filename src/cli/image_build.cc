// mcloud image build
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "flist/build.h"

namespace mcloud::cli {
namespace {

struct BuildWords {
  std::string recipe, file, secret_file, sources;
  std::vector<std::string> stores;
  bool writes_secrets = false;
};

Status build(Desk& desk, const BuildWords& words) {
  flist::BuildOptions options;
  options.convert.stores = TRY(parse_routes(words.stores));
  if (!words.secret_file.empty()) options.convert.secret = TRY(read_owner_secret(words.secret_file));
  options.convert.write_secrets = words.writes_secrets;
  options.debian_sources = words.sources;
  flist::Converted made = TRY(flist::build(words.recipe, options));
  TRY(flist::write_flist(words.file, made.flist));
  desk.out().document({{"file", words.file},
                       {"digest", made.digest.text()},
                       {"bytes", made.bytes},
                       {"blocks", made.blocks},
                       {"new_blocks", made.new_blocks},
                       {"stored_bytes", made.stored_bytes}});
  desk.out().line(words.file + "  " + made.digest.text());
  desk.out().line(format_size(made.bytes) + " in " + std::to_string(made.blocks) + " blocks; " +
                  std::to_string(made.new_blocks) + " were new to the stores: " + format_size(made.stored_bytes) + " sent");
  return {};
}

}  // namespace

Command image_build_command() {
  auto words = std::make_shared<BuildWords>();
  Command command("image build", "make a .fl file from a recipe");
  command.example("mcloud image build recipe.yaml hello.fl --store dir:///srv/blocks")
      .describe(
          "RECIPE: a YAML file: what the image is made from (Debian packages, another image, a folder, nothing), what\n"
          "changes in its files, and how it starts. Debian packages need root and the program mmdebstrap.\n"
          "The same recipe, base and versions of packages give an equal image. No command of the image is run.")
      .argument("RECIPE", "the recipe", words->recipe)
      .argument("FILE", "the .fl file to write", words->file)
      .option("--store", "URL", "dir:///PATH, zdb://HOST, s3://KEY:SECRET@HOST/BUCKET; repeatable", words->stores)
      .option("--private", "FILE", "your secret: 32 bytes, or 64 hex digits", words->secret_file)
      .option("--debian-sources", "FILE", "where packages come from (default: the first in /etc/apt that fits)", words->sources)
      .flag("--write-secrets", "keep passwords of stores in the file, which others may read", words->writes_secrets)
      .run([words](Desk& desk) -> Status {
        if (words->stores.empty()) return make_error(Code::Invalid, "--store is missing: where the image's content goes");
        return build(desk, *words);
      });
  return command;
}

}  // namespace mcloud::cli
