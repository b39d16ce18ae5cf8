// Images into `.fl` files and blocks, and back.
#pragma once

#include <functional>

#include "flist/flist_file.h"
#include "flist/import.h"
#include "image/limits.h"
#include "image/stores/routes.h"

namespace mcloud::flist {

struct ConvertOptions {
  std::vector<image::Route> stores;     // where blocks go; at least one
  image::OwnerSecret secret;            // private image
  size_t threads = 0;                   // 0 = all cores
  image::UnpackLimits limits;
  ImportOptions import;                 // for fl:FILE
  std::string skopeo = "skopeo";        // the program for docker://
  bool write_secrets = false;           // keep passwords in the routes that the file names
  std::function<void(uint64_t bytes_done, uint64_t bytes_all)> on_progress;  // any thread; bytes_all 0 = unknown
};

struct Converted {
  Flist flist;
  image::Digest digest;
  uint64_t bytes = 0;          // plain, of all files
  uint64_t blocks = 0, new_blocks = 0;
  uint64_t stored_bytes = 0;   // uploaded
};

// SOURCE: oci:DIR[:TAG], docker-archive:FILE[:REF], docker://HOST/NAME[:TAG], fl:FILE (copies its blocks), or a
// folder's path. Layers are streamed: nothing is unpacked to disk. Equal input gives an equal Flist. Blocks a
// store has are not sent again. No block of an image that fails is named by anything.
Result<Converted> convert(const std::string& source, const ConvertOptions& options);

// The image as an OCI layout: one layer, with its config; skopeo and umoci take it. Equal images give equal layouts.
// `folder` is made, or is empty. Sockets stay out. Unsupported for an attribute whose name has a '='.
enum class LayerCompression { None, Gzip, Zstd };
Status export_layout(const image::Image& image, image::Routes& blocks, const std::string& folder, const std::string& tag,
                     LayerCompression compression = LayerCompression::Gzip);

}  // namespace mcloud::flist
