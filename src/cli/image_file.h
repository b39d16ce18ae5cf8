// Inside this room: a `.fl` file that somebody named. It may be a stranger's: it is opened by the importer only
// (flist/import.h), also by the commands that change it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flist/fetch.h"
#include "image/stores/routes.h"

namespace mcloud::cli {

struct ImageFile {
  flist::Imported imported;
  std::shared_ptr<const image::Index> index;

  // As a value again, to be written.
  flist::Flist flist() const;
  // Its own routes, then `more` ("URL" or "00-7f=URL": elsewhere, or with passwords, which a file that travels does not hold).
  Result<std::unique_ptr<image::Routes>> open_routes(const std::vector<std::string>& more) const;
};

// `name`: a path, or "http(s)://HOST/NAME"; either may have "fl:" in front.
Result<ImageFile> open_image_file(const std::string& name);

// The block at `position` of a file, verified. A hole needs no store.
Result<Bytes> read_block(image::Routes& routes, const image::Index& index, image::NodeNumber file, uint32_t position);

// A secret of 32 bytes from a file: as they are, or as 64 hex digits.
Result<Bytes> read_owner_secret(const std::string& path);

Result<std::vector<image::Route>> parse_routes(const std::vector<std::string>& texts);
// "00-ff=dir:///srv/blocks"; without the range when it is all of them.
std::string route_text(const image::Route& route);

}  // namespace mcloud::cli
