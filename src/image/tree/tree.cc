#include "image/tree/tree.h"

#include <bit>

#include "crypto/hash.h"
#include "image/limits.h"
#include "image/tree/names.h"

namespace mcloud::image {
namespace {

Error wrong(std::string why) { return make_error(Code::Corrupt, "tree: " + std::move(why)); }
Error beyond(std::string what) { return make_error(Code::Exhausted, "tree: more than the allowed " + std::move(what)); }

Status check_attributes(const Node& node) {
  uint64_t bytes = 0;
  for (const auto& [name, value] : node.attributes) {
    if (!is_kept_attribute(name, value)) return wrong("attribute " + shown(name) + " is not one an image may carry");
    bytes += name.size() + value.size();
  }
  if (bytes > kAttributeBytesMax) return beyond(std::to_string(kAttributeBytesMax) + " bytes of attributes");
  return {};
}

Status check_file(const Node& node) {
  if (node.bytes > kTreeBytesMax) return beyond(std::to_string(kTreeBytesMax) + " bytes in a file");
  if (node.blocks.size() != (node.bytes + kBlockBytes - 1) / kBlockBytes) {
    return wrong("a file of " + std::to_string(node.bytes) + " bytes has " + std::to_string(node.blocks.size()) +
                 " blocks");
  }
  if (!node.sha256.empty() && node.sha256.size() != 32) return wrong("a SHA-256 has not 32 bytes");
  return {};
}

// What only some types have is empty in the others: equal trees must have equal indexes.
Status check_type(const Node& node) {
  using enum Node::Type;
  if (node.type < Folder || node.type > Socket) return wrong("type " + std::to_string(static_cast<int>(node.type)));
  bool is_device = node.type == CharacterDevice || node.type == BlockDevice;
  if (node.type != Folder && !node.children.empty()) return wrong("what is no folder has entries");
  if (node.type != File && (node.bytes != 0 || !node.blocks.empty() || !node.sha256.empty())) {
    return wrong("what is no file has content");
  }
  if (node.type != Link && !node.target.empty()) return wrong("what is no link has a target");
  if (!is_device && (node.device_major != 0 || node.device_minor != 0)) return wrong("what is no device has a number");
  if (node.device_major > kDeviceMajorMax || node.device_minor > kDeviceMinorMax) return wrong("a device's number");
  if (node.type == Link && !is_valid_target(node.target)) return wrong("a link's target has 1 to 4095 bytes, no NUL");
  return node.type == File ? check_file(node) : Status();
}

Status check_node(const Node& node) {
  TRY(check_type(node));
  if (node.mode > 07777) return wrong("mode " + std::to_string(node.mode) + ": allowed are the lower 12 bits");
  if (node.user > kUserIdMax || node.group > kUserIdMax) {
    return wrong("owner " + std::to_string(node.user) + ":" + std::to_string(node.group) + ": allowed are 0 to 65535");
  }
  if (node.modified_ns >= 1'000'000'000) return wrong("nanoseconds: allowed are 0 to 999999999");
  return check_attributes(node);
}

// Breadth first from the root: every node is reached, folders once.
class Walk {
 public:
  explicit Walk(const std::vector<Node>& nodes) : nodes_(nodes), places_(nodes.size()) {}

  Status run() {
    places_[0] = {.is_reached = true};
    order_.push_back(0);
    for (size_t i = 0; i < order_.size(); ++i) TRY(enter(order_[i]));
    if (order_.size() != nodes_.size()) {
      return wrong(std::to_string(nodes_.size() - order_.size()) + " nodes have no name");
    }
    return {};
  }

 private:
  struct Place {
    bool is_reached = false;
    uint32_t depth = 0;
    uint32_t path_bytes = 0;
  };

  Status enter(NodeNumber folder) {
    for (const auto& [name, number] : nodes_[folder].children) {
      if (!is_valid_name(name)) return wrong("name " + shown(name) + " is not allowed");
      if (++names_ > kNamesMax) return beyond(std::to_string(kNamesMax) + " names");
      if (number >= nodes_.size()) return wrong(shown(name) + " names a node that is not there");
      TRY(reach(folder, name, number));
    }
    return {};
  }

  Status reach(NodeNumber folder, const std::string& name, NodeNumber number) {
    const Place& above = places_[folder];
    uint32_t path_bytes = above.path_bytes + static_cast<uint32_t>(name.size()) + 1;
    if (above.depth + 1 > kDepthMax || path_bytes > kPathBytesMax + 1) return beyond("depth or length of a path");
    bool is_folder = nodes_[number].type == Node::Type::Folder;
    if (places_[number].is_reached && is_folder) return wrong("folder " + shown(name) + " has two names");
    if (places_[number].is_reached) return {};
    places_[number] = {.is_reached = true, .depth = above.depth + 1, .path_bytes = path_bytes};
    order_.push_back(number);
    return {};
  }

  const std::vector<Node>& nodes_;
  std::vector<Place> places_;
  std::vector<NodeNumber> order_;
  uint64_t names_ = 0;
};

}  // namespace

Status Tree::check() const {
  if (nodes.empty() || nodes[0].type != Node::Type::Folder) return wrong("node 0 is no folder");
  if (nodes.size() > kNamesMax + 1) return beyond(std::to_string(kNamesMax) + " names");
  uint64_t blocks = 0, bytes = 0, strings = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    TRY(check_node(node).with_context("node " + std::to_string(i)));
    blocks += node.blocks.size();
    bytes += node.bytes;
    strings += node.target.size();
    for (const auto& [name, value] : node.attributes) strings += name.size() + value.size();
    for (const auto& [name, number] : node.children) strings += name.size();
    if (blocks > kBlocksMax) return beyond(std::to_string(kBlocksMax) + " blocks");
    if (bytes > kTreeBytesMax) return beyond(std::to_string(kTreeBytesMax) + " bytes of files");
    if (strings > kStringBytesMax - kDocumentBytesMax - kOriginsMax * kOriginBytesMax) {
      return beyond(std::to_string(kStringBytesMax) + " bytes of names and attributes");
    }
  }
  return Walk(nodes).run();
}

Status Image::check() const {
  if (config.size() > kDocumentBytesMax) return beyond(std::to_string(kDocumentBytesMax) + " bytes of config");
  if (origin.size() > kOriginsMax) return beyond(std::to_string(kOriginsMax) + " origins");
  for (const std::string& line : origin) {
    if (!is_valid_origin(line)) return wrong("origin " + shown(line) + ": 1 to 255 printable characters");
  }
  return tree.check();
}

ContentId content_id(uint64_t bytes, const std::vector<BlockRef>& blocks) {
  static_assert(sizeof(BlockRef) == 64 && std::is_trivially_copyable_v<BlockRef>);
  static_assert(std::endian::native == std::endian::little);
  return crypto::blake2b({"mcloud content 1", {reinterpret_cast<const char*>(&bytes), sizeof bytes},
                          {reinterpret_cast<const char*>(blocks.data()), blocks.size() * sizeof(BlockRef)}});
}

}  // namespace mcloud::image
