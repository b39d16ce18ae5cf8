#include "image/tree/index_check.h"

#include <algorithm>

#include "image/limits.h"
#include "image/tree/index_format.h"
#include "image/tree/names.h"

namespace mcloud::image {
namespace {

using namespace format;
using enum Node::Type;

Error wrong(const std::string& what) { return make_error(Code::Corrupt, "index: " + what); }
Error wrong_node(NodeNumber number, const std::string& what) {
  return wrong("node " + std::to_string(number) + ": " + what);
}

bool is_within_limits(const Header& header) {
  return header.nodes <= kNamesMax + 1 && header.entries <= kNamesMax && header.blocks <= kBlocksMax &&
         header.origins <= kOriginsMax && header.string_bytes <= kStringBytesMax &&
         header.config_bytes <= kDocumentBytesMax;
}

// Walks all parts in the order in which they were written and computes what each number must be.
class Check {
 public:
  Check(BytesView bytes, const Header& header) : bytes_(bytes), header_(header), at_(header), places_(header.nodes) {}

  Status run() {
    places_[0].is_folder = true;
    for (NodeNumber number = 0; number < header_.nodes; ++number) {
      // Each node was named by an earlier one: no cycles, and nothing that cannot be reached.
      if (number >= named_) return wrong_node(number, "has no name, or is numbered out of turn");
      NodeRecord record = node(number);
      TRY(check_common(number, record));
      if (record.type == static_cast<uint8_t>(Folder)) TRY(check_folder(number, record));
    }
    if (entry_ != header_.entries) return wrong("entries that belong to no folder");
    if (record_at<EntryRecord>(bytes_, at_.entries + uint64_t{entry_} * 8).node != 0) return wrong("the end of entries");
    if (name_end(entry_) != string_) return wrong("the end of names");
    for (NodeNumber number = 0; number < header_.nodes; ++number) TRY(check_content(number, node(number)));
    if (block_ != header_.blocks || digest_ != header_.digests) return wrong("blocks or digests that belong to no file");
    TRY(check_attributes());
    return check_rest();
  }

 private:
  struct Place {
    bool is_folder = false;
    uint16_t path_bytes = 0;
    uint16_t depth = 0;
    uint32_t parent = 0;
    uint32_t links = 0;
  };

  NodeRecord node(NodeNumber number) const {
    return record_at<NodeRecord>(bytes_, at_.nodes + uint64_t{number} * sizeof(NodeRecord));
  }
  uint32_t name_end(uint32_t entry) const { return record_at<uint32_t>(bytes_, at_.entries + uint64_t{entry} * 8); }
  std::string_view strings(uint64_t from, uint64_t to) const { return bytes_.substr(at_.strings + from, to - from); }

  Status check_common(NodeNumber number, const NodeRecord& record) {
    if (record.type < static_cast<uint8_t>(Folder) || record.type > static_cast<uint8_t>(Socket) || record.zero != 0) {
      return wrong_node(number, "its type");
    }
    if (record.mode > 07777 || record.user > kUserIdMax || record.group > kUserIdMax ||
        record.modified_ns >= 1'000'000'000) {
      return wrong_node(number, "mode, owner or time is not allowed");
    }
    if (record.parent != places_[number].parent) return wrong_node(number, "its parent");
    if (number == 0 && record.type != static_cast<uint8_t>(Folder)) return wrong_node(number, "the root is no folder");
    return {};
  }

  Status check_folder(NodeNumber number, const NodeRecord& record) {
    if (record.first != entry_ || record.count > header_.entries - entry_ || record.bytes != 0) {
      return wrong_node(number, "its entries");
    }
    std::string_view before;
    for (uint32_t i = 0; i < record.count; ++i, ++entry_) {
      auto entry = record_at<EntryRecord>(bytes_, at_.entries + uint64_t{entry_} * sizeof(EntryRecord));
      uint32_t end = name_end(entry_ + 1);
      if (entry.name != string_ || end < string_ || end > header_.string_bytes) return wrong_node(number, "a name's place");
      std::string_view name = strings(string_, end);
      if (!is_valid_name(name)) return wrong_node(number, "name " + shown(name) + " is not allowed");
      if (i > 0 && before >= name) return wrong_node(number, "names are not in order at " + shown(name));
      TRY(check_child(number, name, entry.node));
      before = name;
      string_ = end;
    }
    places_[number].links += 2;
    return {};
  }

  Status check_child(NodeNumber folder, std::string_view name, NodeNumber child) {
    if (child > named_ || child >= header_.nodes) return wrong_node(folder, shown(name) + " is numbered out of turn");
    const Place& above = places_[folder];
    uint64_t path_bytes = above.path_bytes + name.size() + 1;
    if (above.depth + 1u > kDepthMax || path_bytes > kPathBytesMax + 1) return wrong_node(folder, "a path is too long");
    Place& place = places_[child];
    if (child == named_) {
      place.is_folder = node(child).type == static_cast<uint8_t>(Folder);
      place.parent = folder;
      place.path_bytes = static_cast<uint16_t>(path_bytes);
      place.depth = static_cast<uint16_t>(above.depth + 1);
      ++named_;
    } else if (place.is_folder) {
      return wrong_node(folder, "folder " + shown(name) + " has two names");
    }
    ++places_[place.is_folder ? folder : child].links;
    return {};
  }

  Status check_content(NodeNumber number, const NodeRecord& record) {
    if (record.links != places_[number].links) return wrong_node(number, "the count of its links");
    switch (static_cast<Node::Type>(record.type)) {
      case Folder: return {};
      case File: return check_file(number, record);
      case Link: return check_link(number, record);
      case CharacterDevice:
      case BlockDevice:
        if (record.first > kDeviceMajorMax || record.count > kDeviceMinorMax || record.bytes != 0) break;
        return {};
      case Fifo:
      case Socket:
        if (record.first != 0 || record.count != 0 || record.bytes != 0) break;
        return {};
    }
    return wrong_node(number, "a device's number, or content where none can be");
  }

  Status check_file(NodeNumber number, const NodeRecord& record) {
    file_bytes_ += std::min(record.bytes, kTreeBytesMax + 1);
    if (file_bytes_ > kTreeBytesMax) return make_error(Code::Exhausted, "index: more bytes of files than allowed");
    uint64_t blocks = (record.bytes + kBlockBytes - 1) / kBlockBytes;
    if (record.first != block_ || blocks > header_.blocks - block_) return wrong_node(number, "its blocks");
    block_ += static_cast<uint32_t>(blocks);
    if (record.count == 0) return {};
    if (record.count != digest_ + 1 || digest_ == header_.digests) return wrong_node(number, "its digest");
    ++digest_;
    return {};
  }

  Status check_link(NodeNumber number, const NodeRecord& record) {
    if (record.first != string_ || record.count != 0 || record.bytes > header_.string_bytes - string_ ||
        !is_valid_target(strings(string_, string_ + record.bytes))) {
      return wrong_node(number, "its target");
    }
    string_ += static_cast<uint32_t>(record.bytes);
    return {};
  }

  Status check_attributes() {
    AttributeRecord before{};
    std::string_view name_before;
    uint64_t bytes_of_node = 0;
    for (uint32_t i = 0; i < header_.attributes; ++i) {
      auto record = attribute(i);
      uint32_t end = attribute(i + 1).name;
      if (record.node >= header_.nodes || (i > 0 && record.node < before.node) || record.name != string_ ||
          record.value < record.name || end < record.value || end > header_.string_bytes) {
        return wrong("attribute " + std::to_string(i) + ": its place");
      }
      std::string_view name = strings(record.name, record.value), value = strings(record.value, end);
      bool is_same_node = i > 0 && record.node == before.node;
      if (!is_kept_attribute(name, value) || (is_same_node && name_before >= name)) {
        return wrong("attribute " + std::to_string(i) + " " + shown(name) + " is not allowed or out of order");
      }
      bytes_of_node = (is_same_node ? bytes_of_node : 0) + (end - record.name);
      if (bytes_of_node > kAttributeBytesMax) return wrong_node(record.node, "too many bytes of attributes");
      before = record;
      name_before = name;
      string_ = end;
    }
    AttributeRecord last = attribute(header_.attributes);
    if (last.node != 0 || last.name != string_ || last.value != 0) return wrong("the end of attributes");
    return {};
  }

  AttributeRecord attribute(uint32_t i) const {
    return record_at<AttributeRecord>(bytes_, at_.attributes + uint64_t{i} * sizeof(AttributeRecord));
  }

  Status check_rest() {
    for (uint32_t i = 0; i < header_.origins; ++i) {
      auto begin = record_at<uint32_t>(bytes_, at_.origins + uint64_t{i} * 4);
      auto end = record_at<uint32_t>(bytes_, at_.origins + uint64_t{i} * 4 + 4);
      if (begin != string_ || end < begin || end > header_.string_bytes || !is_valid_origin(strings(begin, end))) {
        return wrong("origin " + std::to_string(i));
      }
      string_ = end;
    }
    if (record_at<uint32_t>(bytes_, at_.origins + uint64_t{header_.origins} * 4) != string_) {
      return wrong("the end of origins");
    }
    if (header_.config_bytes != header_.string_bytes - string_) return wrong("strings that nothing points at");
    return {};
  }

  BytesView bytes_;
  Header header_;
  Layout at_;
  std::vector<Place> places_;
  NodeNumber named_ = 1;       // nodes that have a name so far; the root has none and needs none
  uint32_t entry_ = 0, block_ = 0, digest_ = 0;
  uint32_t string_ = 0;        // strings before it are accounted for; never beyond string_bytes
  uint64_t file_bytes_ = 0;
};

}  // namespace

Status check_index(BytesView bytes) {
  if (bytes.size() < sizeof(Header)) return wrong("too short for a header");
  auto header = record_at<Header>(bytes, 0);
  if (std::string_view(header.magic, sizeof header.magic) != kMagic) return wrong("no \"mcindex1\" at its begin");
  if (std::ranges::any_of(header.zero, [](uint8_t byte) { return byte != 0; })) return wrong("unknown fields");
  if (!is_within_limits(header)) return make_error(Code::Exhausted, "index: larger than allowed");
  if (header.nodes == 0) return wrong("no nodes");
  if (Layout(header).end != bytes.size()) {
    return wrong("it has " + std::to_string(bytes.size()) + " bytes, its header says " +
                 std::to_string(Layout(header).end));
  }
  return Check(bytes, header).run();
}

}  // namespace mcloud::image
