// mcloud image convert | export
#include <mutex>  // progress is told by the threads of the conversion
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "flist/convert.h"
#include "image/source.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ConvertWords {
  std::string source, file, secret_file;
  std::vector<std::string> stores;
  uint64_t threads = 0;
  bool writes_secrets = false;
};

// A path as people write it: what has no scheme is a folder, or a file made by `docker save`.
Status convert(Desk& desk, const ConvertWords& words) {
  flist::ConvertOptions options;
  options.stores = TRY(parse_routes(words.stores));
  if (!words.secret_file.empty()) options.secret = TRY(read_owner_secret(words.secret_file));
  options.threads = words.threads;
  options.write_secrets = words.writes_secrets;
  std::mutex drawing;
  uint64_t shown = 0;
  options.on_progress = [&](uint64_t done, uint64_t all) {
    constexpr uint64_t kStep = 8 << 20;
    std::unique_lock turn(drawing, std::try_to_lock);
    if (!turn.owns_lock() || done < shown + kStep) return;
    shown = done;
    desk.out().live("convert: " + format_size(done) + (all > 0 ? " of " + format_size(all) : ""));
  };
  Result<flist::Converted> made = flist::convert(words.source, options);
  desk.out().live("");
  if (!made.has_value()) return made.error();
  TRY(flist::write_flist(words.file, made->flist));
  desk.out().document({{"file", words.file},
                       {"digest", made->digest.text()},
                       {"bytes", made->bytes},
                       {"blocks", made->blocks},
                       {"new_blocks", made->new_blocks},
                       {"stored_bytes", made->stored_bytes}});
  desk.out().line(words.file + "  " + made->digest.text());
  desk.out().line(format_size(made->bytes) + " in " + std::to_string(made->blocks) + " blocks; " +
                  std::to_string(made->new_blocks) + " were new to the stores: " + format_size(made->stored_bytes) + " sent");
  return {};
}

struct ExportWords {
  std::string file, target, compression = "gzip";
  std::vector<std::string> stores;
};

Result<flist::LayerCompression> compression_of(const std::string& word) {
  if (word == "gzip") return flist::LayerCompression::Gzip;
  if (word == "zstd") return flist::LayerCompression::Zstd;
  if (word == "none") return flist::LayerCompression::None;
  return make_error(Code::Invalid, "--compression " + word + ": allowed: gzip, zstd, none");
}

Status export_image(Desk& desk, const ExportWords& words) {
  image::Source target = TRY(image::parse_source(words.target));
  if (target.kind != image::Source::Kind::OciLayout)
    return make_error(Code::Invalid, words.target + ": an image is exported to oci:FOLDER[:TAG]");
  flist::LayerCompression compression = TRY(compression_of(words.compression));
  ImageFile file = TRY(open_image_file(words.file));
  auto routes = TRY(file.open_routes(words.stores));
  std::string tag = target.tag.empty() ? "latest" : target.tag;
  TRY(flist::export_layout(file.index->image(), *routes, target.place, tag, compression));
  desk.out().document({{"folder", target.place}, {"tag", tag}, {"digest", file.imported.digest.text()}});
  desk.out().line("oci:" + target.place + ":" + tag);
  return {};
}

}  // namespace

Command image_convert_command() {
  auto words = std::make_shared<ConvertWords>();
  Command command("image convert", "make a .fl file of an image, its content into stores");
  command.example("mcloud image convert oci:recipes/hello/image hello.fl --store dir:///srv/blocks")
      .describe(
          "SOURCE: oci:DIR[:TAG], docker-archive:FILE[:REF], docker://HOST/NAME[:TAG], fl:FILE, or a folder. Layers are\n"
          "streamed; blocks that a store has are not sent again; equal input gives an equal file.\n"
          "Several --store replicate; with a range in front (00-7f=URL) they share the blocks.\n"
          "With --private blocks are encrypted by a key of yours, so that a store cannot tell who holds which file.")
      .argument("SOURCE", "the image", words->source)
      .argument("FILE", "the .fl file to write", words->file)
      .option("--store", "URL", "dir:///PATH, zdb://HOST, s3://KEY:SECRET@HOST/BUCKET; repeatable", words->stores)
      .option("--private", "FILE", "your secret: 32 bytes, or 64 hex digits", words->secret_file)
      .option("--threads", "N", "of compression and hashing (default: all cores)", words->threads)
      .flag("--write-secrets", "keep passwords of stores in the file, which others may read", words->writes_secrets)
      .run([words](Desk& desk) -> Status {
        if (words->stores.empty()) return make_error(Code::Invalid, "--store is missing: where the image's content goes");
        return convert(desk, *words);
      });
  return command;
}

Command image_export_command() {
  auto words = std::make_shared<ExportWords>();
  Command command("image export", "turn a .fl file into an OCI image layout");
  command.example("mcloud image export hello.fl oci:hello-layout:v1")
      .describe("One layer; other tools read it (skopeo, umoci). Every block is verified on the way.")
      .argument("FILE", "a .fl file, or its web address", words->file)
      .argument("TARGET", "oci:FOLDER[:TAG]; the folder is made, or empty", words->target)
      .option("--compression", "WORD", "of the layer: gzip (default), zstd, none", words->compression)
      .option("--store", "URL", "look there too; repeatable", words->stores)
      .run([words](Desk& desk) { return export_image(desk, *words); });
  return command;
}

}  // namespace mcloud::cli
