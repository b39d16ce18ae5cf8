// Any bytes as a flat index: what is accepted is a sound image, the only way to write it, and answers every question.
#include <cstdlib>

#include "image/tree/index.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

// Names lead to their entries; every view lies inside the bytes (the sanitizer reads them).
size_t ask(const Index& index) {
  size_t sum = 0;
  auto read = [&](std::string_view text) {
    for (char c : text) sum += static_cast<unsigned char>(c);
  };
  for (NodeNumber number = 0; number < index.nodes(); ++number) {
    IndexNode node = index.node(number);
    must(node.parent < index.nodes());
    for (uint32_t i = 0; i < node.count; ++i) {
      if (node.type == Node::Type::Folder) {
        IndexEntry entry = index.entry(number, i);
        auto found = index.find(number, entry.name);
        must(found.has_value() && found->node == entry.node);
        read(entry.name);
      } else {
        read(index.block(number, i).id.view());
      }
    }
    if (node.type == Node::Type::Link) read(index.target(number));
    if (node.type == Node::Type::File) read(index.sha256(number));
    if (node.type == Node::Type::File) read(index.content(number).view());
    for (uint32_t i = 0, all = index.attributes(number); i < all; ++i) read(index.attribute(number, i).second);
  }
  read(index.config());
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(reinterpret_cast<const char*>(data), size);
  auto index = Index::parse(bytes);
  if (!index.has_value()) return 0;
  Image image = (*index)->image();
  must(image.check().has_value());
  must(write_index(image) == bytes);
  volatile size_t sum = ask(**index);
  return sum == 0 ? 0 : 0;
}
