// The flat index: a whole image's metadata in one file that is mapped and used as it lies. It is also the
// canonical form: equal images have equal index bytes, and the image's digest is their SHA-256
// (docs/reference/image-index.md has it byte by byte).
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "image/tree/tree.h"
#include "image/digest.h"

namespace mcloud::image {

// Deterministic. The tree has passed check().
Bytes write_index(const Image& image);
// The digest that contracts and signatures name: of write_index(image).
Digest image_digest(BytesView index);

// What nodes of one index are; numbers are those of the index, 0 is the root, stable for one digest.
struct IndexNode {
  Node::Type type;
  uint16_t mode;
  uint32_t user, group, links, device_major, device_minor;
  int64_t modified_s;
  uint32_t modified_ns;
  uint64_t bytes;          // of the file, of the link's target; 0 for others
  NodeNumber parent;       // of a folder: its parent (the root's is itself); of others: the first folder that names it
  uint32_t count;          // Folder: entries; File: blocks
};

struct IndexEntry {
  std::string_view name;
  NodeNumber node;
  Node::Type type;
};

// A verified view. Thread-safe: nothing changes. Views live as long as it.
class Index {
 public:
  // Maps the file read-only and checks every offset, number, name and count once, so that no later call can
  // leave the bytes: Corrupt says what and where. Does not compute the digest.
  static Result<std::shared_ptr<const Index>> open(const std::string& path);
  // The same over bytes of ours.
  static Result<std::shared_ptr<const Index>> parse(Bytes bytes);
  virtual ~Index() = default;

  virtual BytesView bytes() const = 0;
  virtual uint32_t nodes() const = 0;
  virtual IndexNode node(NodeNumber number) const = 0;           // number < nodes()
  virtual std::optional<IndexEntry> find(NodeNumber folder, std::string_view name) const = 0;  // binary search
  virtual IndexEntry entry(NodeNumber folder, uint32_t position) const = 0;  // sorted by name, position < count
  virtual std::string_view target(NodeNumber link) const = 0;
  virtual BlockRef block(NodeNumber file, uint32_t position) const = 0;
  virtual ContentId content(NodeNumber file) const = 0;
  virtual BytesView sha256(NodeNumber file) const = 0;           // "" = not known
  virtual uint32_t attributes(NodeNumber number) const = 0;      // how many
  virtual std::pair<std::string_view, BytesView> attribute(NodeNumber number, uint32_t position) const = 0;  // sorted
  virtual std::string_view config() const = 0;
  virtual Image image() const = 0;                               // all of it as a value again
};

}  // namespace mcloud::image
