// Any bytes as a layer: decompressed, parsed and written below a temporary folder. Nothing outside of it may
// change: a file beside the root is looked at after every input.
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

#include "image/oci/layer.h"
#include "image/unpacked/tree_writer.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

class BytesStream final : public Stream {
 public:
  explicit BytesStream(BytesView bytes) : bytes_(bytes) {}
  Result<BytesView> next() override {
    BytesView out = bytes_.substr(0, 4096);
    bytes_.remove_prefix(out.size());
    return out;
  }

 private:
  BytesView bytes_;
};

std::string& folder() {
  static std::string path = [] {
    char name[] = "/tmp/mcloud-layer-fuzz-XXXXXX";
    if (mkdtemp(name) == nullptr) abort();
    return std::string(name);
  }();
  return path;
}

void must(const Status& status) {
  if (status.has_value()) return;
  fprintf(stderr, "%s\n", status.error().message.c_str());
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  must(io::write_file(folder() + "/beside", "untouched", io::Durability::None));
  atexit([] { must(io::remove_tree(folder())); });
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  std::string root = folder() + "/root";
  must(io::make_folders(root));
  UnpackLimits limits;
  limits.bytes_max = 1 << 20;
  limits.bytes_free = 1 << 20;
  limits.entries_max = 1000;
  Result<std::unique_ptr<TreeWriter>> tree = TreeWriter::open(root, limits);
  if (!tree.has_value()) abort();
  BytesStream stream(bytes);
  Status unpacked = unpack_layer(stream, {std::nullopt, size, Digest::of("never")}, limits, **tree);
  if (unpacked.has_value()) abort();  // no archive has this digest
  Result<Bytes> beside = io::read_file(folder() + "/beside");
  Result<std::vector<std::string>> names = io::list_folder(folder());
  if (!beside.has_value() || *beside != "untouched" || !names.has_value() || names->size() != 2) abort();
  must(io::remove_tree(root));
  return 0;
}
