#include <type_traits>

#include "image/tree/index.h"
#include "image/tree/index_format.h"

namespace mcloud::image {
namespace {

using namespace format;

template <typename Record>
void append(Bytes& out, const Record& record) {
  static_assert(std::is_trivially_copyable_v<Record>);
  out.append(reinterpret_cast<const char*>(&record), sizeof record);
}

uint32_t size_of(const Bytes& bytes) { return static_cast<uint32_t>(bytes.size()); }

// Numbers the nodes, then writes each part into bytes of its own.
class Writer {
 public:
  explicit Writer(const Image& image) : image_(image), numbers_(image.tree.nodes.size(), kNone) {}

  Bytes run() {
    number_nodes();
    for (NodeNumber number = 0; number < order_.size(); ++number) write_names(number);
    append(entries_, EntryRecord{size_of(strings_), 0});
    for (NodeNumber number = 0; number < order_.size(); ++number) write_node(number);
    for (NodeNumber number = 0; number < order_.size(); ++number) write_attributes(number);
    append(attributes_, AttributeRecord{0, size_of(strings_), 0});
    for (const std::string& line : image_.origin) {
      append(origins_, size_of(strings_));
      strings_ += line;
    }
    append(origins_, size_of(strings_));
    strings_ += image_.config;
    return join();
  }

 private:
  static constexpr NodeNumber kNone = ~NodeNumber{0};

  const Node& node(NodeNumber number) const { return image_.tree.nodes[order_[number]]; }

  void number_nodes() {
    numbers_[0] = 0;
    order_.push_back(0);
    parents_.push_back(0);
    for (NodeNumber folder = 0; folder < order_.size(); ++folder) {
      for (const auto& [name, child] : node(folder).children) {
        if (numbers_[child] != kNone) continue;
        numbers_[child] = static_cast<NodeNumber>(order_.size());
        order_.push_back(child);
        parents_.push_back(folder);
      }
    }
    links_.assign(order_.size(), 0);
  }

  void write_names(NodeNumber folder) {
    if (node(folder).type == Node::Type::Folder) links_[folder] += 2;
    for (const auto& [name, child] : node(folder).children) {
      NodeNumber number = numbers_[child];
      append(entries_, EntryRecord{size_of(strings_), number});
      strings_ += name;
      // A folder's own two are its name and "."; each folder in it adds its "..".
      ++links_[node(number).type == Node::Type::Folder ? folder : number];
    }
  }

  void write_node(NodeNumber number) {
    const Node& from = node(number);
    NodeRecord record{};
    record.type = static_cast<uint8_t>(from.type);
    record.mode = from.mode;
    record.user = from.user;
    record.group = from.group;
    record.links = links_[number];
    record.modified_s = from.modified_s;
    record.modified_ns = from.modified_ns;
    record.parent = parents_[number];
    write_content(from, record);
    append(nodes_, record);
  }

  void write_content(const Node& from, NodeRecord& record) {
    using enum Node::Type;
    if (from.type == Folder) {
      record.first = first_entry_;
      record.count = static_cast<uint32_t>(from.children.size());
      first_entry_ += record.count;
    } else if (from.type == File) {
      record.first = static_cast<uint32_t>(blocks_.size() / sizeof(BlockRef));
      record.bytes = from.bytes;
      for (const BlockRef& block : from.blocks) append(blocks_, block);
      digests_ += from.sha256;
      if (!from.sha256.empty()) record.count = size_of(digests_) / 32;
    } else if (from.type == Link) {
      record.first = size_of(strings_);
      record.bytes = from.target.size();
      strings_ += from.target;
    } else {
      record.first = from.device_major;
      record.count = from.device_minor;
    }
  }

  void write_attributes(NodeNumber number) {
    for (const auto& [name, value] : node(number).attributes) {
      append(attributes_, AttributeRecord{number, size_of(strings_), static_cast<uint32_t>(strings_.size() + name.size())});
      strings_ += name;
      strings_ += value;
    }
  }

  Bytes join() const {
    Header header{};
    std::memcpy(header.magic, kMagic.data(), kMagic.size());
    header.nodes = static_cast<uint32_t>(order_.size());
    header.entries = size_of(entries_) / sizeof(EntryRecord) - 1;
    header.blocks = static_cast<uint32_t>(blocks_.size() / sizeof(BlockRef));
    header.digests = size_of(digests_) / 32;
    header.attributes = size_of(attributes_) / sizeof(AttributeRecord) - 1;
    header.origins = size_of(origins_) / 4 - 1;
    header.string_bytes = size_of(strings_);
    header.config_bytes = size_of(image_.config);
    Bytes out;
    out.reserve(Layout(header).end);
    append(out, header);
    for (const Bytes* part : {&nodes_, &entries_, &blocks_, &digests_, &attributes_, &origins_, &strings_}) out += *part;
    return out;
  }

  const Image& image_;
  std::vector<NodeNumber> numbers_;          // of the tree's nodes, in the index
  std::vector<NodeNumber> order_, parents_;  // of the index's nodes: in the tree, in the index
  std::vector<uint32_t> links_;
  uint32_t first_entry_ = 0;
  Bytes nodes_, entries_, blocks_, digests_, attributes_, origins_, strings_;
};

}  // namespace

Bytes write_index(const Image& image) { return Writer(image).run(); }

Digest image_digest(BytesView index) { return Digest::of(index); }

}  // namespace mcloud::image
