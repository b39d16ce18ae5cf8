// A stranger's `.fl` file, opened where it can do no harm: a process without privileges, with seccomp, memory,
// time and file limits, reads SQLite and hands back our flat index, which is then checked as any foreign bytes.
#pragma once

#include "flist/flist_file.h"

namespace mcloud::flist {

struct Imported {
  Bytes index;               // checked by image::Index::parse
  image::Digest digest;      // of it
  std::vector<image::Route> routes;
  std::map<std::string, std::string> tags;
  std::vector<ImageSignature> signatures;  // those that verify
  std::vector<std::string> trace;
};

struct ImportOptions {
  std::string program;                     // mcloud, which knows the hidden command; "" = our own program
  uint64_t file_bytes_max = 1ull << 30;
  uint64_t memory_bytes_max = 2ull << 30;
  uint64_t timeout_ms = 30'000;
};

// Corrupt, Exhausted or TimedOut say what is wrong with the file; the importer's death is Corrupt.
Result<Imported> import_flist(const std::string& path, const ImportOptions& options = {});

// The word after the program's name that makes it the importer.
inline constexpr std::string_view kImporterCommand = "image-importer";

// The inside: reads descriptor 0, writes one message to descriptor 1. Sandboxes itself first. For a process that has
// done nothing yet; ends it.
[[noreturn]] void run_importer();

}  // namespace mcloud::flist
