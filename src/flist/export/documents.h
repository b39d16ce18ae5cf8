// Inside this room: the JSON documents of an OCI layout with one image of one layer (image-spec 1.1). Pure.
#pragma once

#include "flist/export/layer_file.h"

namespace mcloud::flist {

// The author's config, but with this one layer; its history stays, as of layers that are empty now. "" gives a plain
// one for this machine. Corrupt when it is no JSON object.
Result<std::string> config_with_layer(const std::string& config, const image::Digest& content);
std::string manifest_document(const std::string& config, const WrittenLayer& layer, LayerCompression compression);
std::string index_document(const std::string& manifest, const std::string& tag);

}  // namespace mcloud::flist
