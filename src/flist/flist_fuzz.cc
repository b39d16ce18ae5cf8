// Any bytes as a `.fl` file, read as the importer does, in process. What is accepted is a sound image, and comes back
// the same from a file of ours.
#include <cstdlib>

#include "flist/import_message.h"
#include "image/tree/index_check.h"

using namespace mcloud;
using namespace mcloud::flist;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void check_image(const image::Image& image) {
  must(image.check().has_value());
  Bytes index = image::write_index(image);
  must(image::check_index(index).has_value());
  must(image::write_index(image::Index::parse(index).value()->image()) == index);
}

void check_round_trip(const Flist& flist) {
  check_image(flist.image);
  Result<Bytes> file = format_flist(flist);
  must(file.has_value());
  Result<Flist> again = parse_flist(*file);
  must(again.has_value() && image::write_index(again->image) == image::write_index(flist.image));
  must(format_flist(*again).value() == *file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  Result<Flist> flist = parse_flist(bytes);
  if (flist.has_value()) check_round_trip(*flist);
  must(import_bytes(bytes).has_value() == flist.has_value());
  return 0;
}
