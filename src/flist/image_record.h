// Inside this room: what a node keeps of an image beside its index, so that nothing is fetched or imported again
// after a restart. Ours, but read like bytes of a stranger: a disk lies too.
//
// JSON: {"format":1, "bytes":N, "config":base64, "routes":[{"first","last","url"}], "trace":[...],
//        "signatures":[{"signer":hex, "signature":hex}]}
#pragma once

#include "flist/import.h"

namespace mcloud::flist {

struct ImageRecord {
  uint64_t bytes = 0;  // of its files
  std::string config;  // the OCI config document
  std::vector<image::Route> routes;
  std::vector<std::string> trace;
  std::vector<ImageSignature> signatures;
};

ImageRecord record_of(const Imported& imported, const image::Index& index);
std::string to_json(const ImageRecord& record);
// Corrupt naming the field.
Result<ImageRecord> parse_record(std::string_view json);

}  // namespace mcloud::flist
