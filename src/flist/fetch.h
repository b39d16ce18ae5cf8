// `.fl` files from where people say they are: a path, or a web server.
#pragma once

#include "flist/import.h"
#include "image/source.h"

namespace mcloud::flist {

struct FetchOptions {
  std::string certificates;             // PEM file of authorities for https; "" = the system's
  uint64_t bytes_max = 128 << 20;       // of a `.fl` file; real ones have some MiB
  uint64_t timeout_ms = 30'000;         // of the whole download
};

// The file's bytes, not looked into. `source` is a Flist. NotFound, Exhausted, Unavailable, TimedOut, Denied.
Result<Bytes> fetch_flist(const image::Source& source, const FetchOptions& options = {});

// What the file holds that a person's text names: "fl:FILE" or "fl:http(s)://HOST/NAME". Opened by the importer only.
Result<Imported> import_source(const std::string& source, const FetchOptions& fetch = {}, const ImportOptions& import = {});

}  // namespace mcloud::flist
