// The flat index byte by byte (docs/reference/image-index.md explains it). All numbers are little-endian.
//
//   offset  size  header                          then, without gaps
//   0       8     "mcindex1"                      nodes       48 each, number 0 first
//   8       4     nodes                           entries      8 each, and one more that ends the last name
//   12      4     entries                         blocks      64 each, id | key
//   16      4     blocks                          digests     32 each, SHA-256 of whole files
//   20      4     digests                         attributes  12 each, and one more that ends the last value
//   24      4     attributes                      origins      4 each, and one more that ends the last one
//   28      4     origins                         strings     names, targets, attributes, origins, config
//   32      4     bytes of strings
//   36      4     bytes of config (they are the last of the strings)
//   40      24    0
//
// There is one way to write an image. Nodes are numbered breadth first, entries of a folder in byte order of their
// names, and a node with several names by the first one met. Entries lie folder after folder, blocks and digests
// file after file, attributes node after node and by name; strings lie in the order of what points at them.
#pragma once

#include <bit>
#include <cstddef>

#include "image/tree/tree.h"

namespace mcloud::image::format {

static_assert(std::endian::native == std::endian::little, "records are copied as they lie");

inline constexpr std::string_view kMagic = "mcindex1";

struct Header {
  char magic[8];
  uint32_t nodes, entries, blocks, digests, attributes, origins, string_bytes, config_bytes;
  uint8_t zero[24];
};

struct NodeRecord {
  uint8_t type;
  uint8_t zero;
  uint16_t mode;
  uint32_t user, group;
  uint32_t links;        // Folder: 2 and its folders; others: names
  int64_t modified_s;
  uint32_t modified_ns;
  uint32_t parent;       // the folder that names it first; the root's is 0
  uint32_t first;        // Folder: entry; File: block; Link: byte of strings; devices: major; others 0
  uint32_t count;        // Folder: entries; File: 0, or 1 + its digest; devices: minor; others 0
  uint64_t bytes;        // File: content; Link: target; others 0
};

struct EntryRecord {
  uint32_t name;  // byte of strings; it ends where the next one's begins
  uint32_t node;
};

struct AttributeRecord {
  uint32_t node;
  uint32_t name;   // byte of strings; ends where the value begins
  uint32_t value;  // ends where the next one's name begins
};

static_assert(sizeof(Header) == 64 && offsetof(Header, config_bytes) == 36);
static_assert(sizeof(NodeRecord) == 48 && offsetof(NodeRecord, modified_s) == 16 && offsetof(NodeRecord, bytes) == 40);
static_assert(sizeof(EntryRecord) == 8 && sizeof(AttributeRecord) == 12);
static_assert(sizeof(BlockRef) == 64 && std::is_trivially_copyable_v<BlockRef>);

// Where each part begins.
struct Layout {
  uint64_t nodes, entries, blocks, digests, attributes, origins, strings, end;

  explicit Layout(const Header& header)
      : nodes(sizeof(Header)),
        entries(nodes + uint64_t{header.nodes} * sizeof(NodeRecord)),
        blocks(entries + (uint64_t{header.entries} + 1) * sizeof(EntryRecord)),
        digests(blocks + uint64_t{header.blocks} * sizeof(BlockRef)),
        attributes(digests + uint64_t{header.digests} * 32),
        origins(attributes + (uint64_t{header.attributes} + 1) * sizeof(AttributeRecord)),
        strings(origins + (uint64_t{header.origins} + 1) * 4),
        end(strings + header.string_bytes) {}
};

// The record at `offset`, which lies inside.
template <typename Record>
Record record_at(BytesView bytes, uint64_t offset) {
  Record record;
  std::memcpy(&record, bytes.data() + offset, sizeof record);
  return record;
}

}  // namespace mcloud::image::format
