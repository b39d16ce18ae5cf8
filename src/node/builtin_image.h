// The program that runs here as an image of its own: its executable, the shared libraries it was started with and the
// dynamic loader, copied into a root folder that is named by what is in it. No file of the host is mounted anywhere,
// and a container that runs it goes on with its own copy when the host's program is replaced.
//
//   FOLDER/<hash>/root/usr/bin/mcloud, .../lib...   owners as on the host (root); read-only to containers
#pragma once

#include <memory>
#include <mutex>  // jobs of several threads may need it first
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image/image.h"

namespace mcloud::node {

class BuiltinImage {
 public:
  // Looks at what this process has loaded. Soon after its start: what is loaded later is no part of it.
  static Result<std::unique_ptr<BuiltinImage>> open(std::string folder);

  // The image; made at the first call, and anew when what is there is not whole. From any thread; may take a second.
  Result<image::PreparedImage> prepare();
  // Removes all roots but the present one and those in `used`.
  Status sweep(const std::set<std::string>& used);

 private:
  struct File {
    std::string source;  // where its bytes are to be had
    std::string place;   // in the image; absolute
  };
  BuiltinImage(std::string folder, std::vector<File> files) : folder_(std::move(folder)), files_(std::move(files)) {}

  static Result<std::vector<File>> loaded_files();
  Result<std::string> hash_of(const std::string& root) const;  // "" = of the sources
  Status copy_into(const std::string& root) const;
  Result<std::string> make();

  const std::string folder_;
  const std::vector<File> files_;
  std::mutex mutex_;
  std::optional<image::PreparedImage> made_;
};

}  // namespace mcloud::node
