#include <sys/stat.h>

#include "flist/convert/layer_tree.h"
#include "flist/convert/sources.h"
#include "flist/convert/work_folder.h"
#include "flist/fetch.h"
#include "image/oci/docker_archive.h"
#include "image/oci/registry.h"
#include "image/source.h"

namespace mcloud::flist {
namespace {

constexpr uint64_t kDownloadTimeoutMs = 3'600'000;

void take(image::AppliedImage applied, std::string_view first, Assembly& assembly) {
  assembly.config = std::move(applied.config);
  assembly.origin = {std::string(first) + " " + applied.manifest.text()};
  for (const image::Digest& layer : applied.layers) assembly.origin.push_back("layer " + layer.text());
}

Status load_layout(const image::Source& source, Assembly& assembly) {
  const auto& limits = assembly.options().limits;
  image::Digest digest = TRY(image::resolve_layout(source.place, source.tag));
  LayerTree layers(assembly.tree(), assembly.blocks(), limits);
  take(TRY(image::apply_blobs(source.place + "/blobs/sha256", digest, limits, layers, image::ReadAhead::Yes)),
       "manifest", assembly);
  return {};
}

Status load_archive(const image::Source& source, Assembly& assembly) {
  const auto& limits = assembly.options().limits;
  image::DockerArchive archive = TRY(image::DockerArchive::open(source.place));
  image::Digest digest = TRY(archive.resolve(source.tag));
  LayerTree layers(assembly.tree(), assembly.blocks(), limits);
  take(TRY(archive.apply(digest, limits, layers, image::ReadAhead::Yes)), "config", assembly);
  return {};
}

Status load_registry(const image::Source& source, Assembly& assembly) {
  const auto& limits = assembly.options().limits;
  image::Registry registry{assembly.options().skopeo, kDownloadTimeoutMs};
  Bytes manifest = TRY(image::fetch_manifest(registry, source.place, source.tag));
  image::Digest digest = image::Digest::of(manifest);
  WorkFolder download = TRY(WorkFolder::make());
  std::string blobs = download.path() + "/blobs";
  TRY(image::fetch_blobs(registry, source.place, digest, blobs));
  LayerTree layers(assembly.tree(), assembly.blocks(), limits);
  take(TRY(image::apply_blobs(blobs, digest, limits, layers, image::ReadAhead::Yes)), "manifest", assembly);
  return {};
}

// The file may be a stranger's: the importer opens it. Its stores must outlive the copy, so the blocks are waited for.
Status load_flist(const std::string& source, Assembly& assembly) {
  Imported imported = TRY(import_source(source, {}, assembly.options().import));
  auto index = TRY(image::Index::parse(std::move(imported.index)));
  assembly.stores_of_source = TRY(image::Routes::open(imported.routes));
  assembly.outside.tags = std::move(imported.tags);
  assembly.outside.trace = std::move(imported.trace);
  assembly.outside.signatures = std::move(imported.signatures);
  return load_image(index->image(), *assembly.stores_of_source, assembly);
}

bool is_folder(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

}  // namespace

Status load_source(const std::string& text, Assembly& assembly) {
  bool has_kind = text.starts_with("fl:") || text.starts_with("oci:") || text.starts_with("docker-archive:") || text.starts_with("docker://");
  if (!has_kind && is_folder(text)) return load_folder(text, assembly);
  if (!has_kind) {
    return make_error(Code::Invalid, "image source \"" + text.substr(0, 200) +
                                         "\": is no folder (allowed: oci:FOLDER[:TAG], docker-archive:FILE[:REFERENCE], "
                                         "docker://HOST/NAME[:TAG], fl:FILE, fl:http(s)://HOST/NAME, or the path of a folder)");
  }
  image::Source source = TRY(image::parse_source(text));
  switch (source.kind) {
    case image::Source::Kind::OciLayout: return load_layout(source, assembly);
    case image::Source::Kind::DockerArchive: return load_archive(source, assembly);
    case image::Source::Kind::Flist: return load_flist(text, assembly);
    case image::Source::Kind::Registry: break;
  }
  return load_registry(source, assembly);
}

}  // namespace mcloud::flist
