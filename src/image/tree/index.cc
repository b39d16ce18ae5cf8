#include "image/tree/index.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "crypto/hash.h"
#include "image/limits.h"
#include "image/tree/index_check.h"
#include "image/tree/index_format.h"
#include "io/file.h"

namespace mcloud::image {
namespace {

using namespace format;

// Bytes that were copied, or pages of a file.
class Storage {
 public:
  explicit Storage(Bytes bytes) : bytes_(std::move(bytes)) {}
  Storage(const char* pages, size_t size) : pages_(pages), size_(size) {}
  Storage(Storage&& other) noexcept
      : bytes_(std::move(other.bytes_)), pages_(std::exchange(other.pages_, nullptr)), size_(other.size_) {}
  Storage& operator=(Storage&&) = delete;
  ~Storage() {
    if (pages_ != nullptr) ::munmap(const_cast<char*>(pages_), size_);
  }

  BytesView view() const { return pages_ != nullptr ? BytesView(pages_, size_) : BytesView(bytes_); }

  // The check has read every page: out of our memory until somebody asks. They stay in the page cache.
  void forget_pages() const {
    if (pages_ != nullptr) ::madvise(const_cast<char*>(pages_), size_, MADV_DONTNEED);
  }

 private:
  Bytes bytes_;
  const char* pages_ = nullptr;
  size_t size_ = 0;
};

class FlatIndex final : public Index {
 public:
  explicit FlatIndex(Storage storage)
      : storage_(std::move(storage)),
        view_(storage_.view()),
        header_(record_at<Header>(view_, 0)),
        at_(header_) {}

  BytesView bytes() const override { return view_; }
  uint32_t nodes() const override { return header_.nodes; }

  IndexNode node(NodeNumber number) const override {
    NodeRecord record = node_record(number);
    auto type = static_cast<Node::Type>(record.type);
    bool is_device = type == Node::Type::CharacterDevice || type == Node::Type::BlockDevice;
    uint32_t count = 0;
    if (type == Node::Type::Folder) count = record.count;
    if (type == Node::Type::File) count = blocks_of(record);
    return {.type = type,
            .mode = record.mode,
            .user = record.user,
            .group = record.group,
            .links = record.links,
            .device_major = is_device ? record.first : 0,
            .device_minor = is_device ? record.count : 0,
            .modified_s = record.modified_s,
            .modified_ns = record.modified_ns,
            .bytes = record.bytes,
            .parent = record.parent,
            .count = count};
  }

  std::optional<IndexEntry> find(NodeNumber folder, std::string_view name) const override {
    NodeRecord record = node_record(folder);
    if (record.type != static_cast<uint8_t>(Node::Type::Folder)) return std::nullopt;
    uint32_t low = record.first, high = record.first + record.count;
    while (low < high) {
      uint32_t middle = low + (high - low) / 2;
      int order = name_of(middle).compare(name);
      if (order == 0) return entry_at(middle);
      if (order < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return std::nullopt;
  }

  IndexEntry entry(NodeNumber folder, uint32_t position) const override {
    NodeRecord record = record_of(folder, Node::Type::Folder);
    CHECK(position < record.count);
    return entry_at(record.first + position);
  }

  std::string_view target(NodeNumber link) const override {
    NodeRecord record = record_of(link, Node::Type::Link);
    return strings(record.first, record.first + record.bytes);
  }

  BlockRef block(NodeNumber file, uint32_t position) const override {
    NodeRecord record = record_of(file, Node::Type::File);
    CHECK(position < blocks_of(record));
    return record_at<BlockRef>(view_, at_.blocks + (uint64_t{record.first} + position) * sizeof(BlockRef));
  }

  ContentId content(NodeNumber file) const override {
    NodeRecord record = record_of(file, Node::Type::File);
    std::vector<BlockRef> blocks(blocks_of(record));
    uint64_t begin = at_.blocks + uint64_t{record.first} * sizeof(BlockRef);
    if (!blocks.empty()) std::memcpy(blocks.data(), view_.data() + begin, blocks.size() * sizeof(BlockRef));
    return content_id(record.bytes, blocks);
  }

  BytesView sha256(NodeNumber file) const override {
    NodeRecord record = record_of(file, Node::Type::File);
    return record.count == 0 ? BytesView() : view_.substr(at_.digests + (uint64_t{record.count} - 1) * 32, 32);
  }

  uint32_t attributes(NodeNumber number) const override {
    CHECK(number < header_.nodes);
    return first_attribute(number + 1) - first_attribute(number);
  }

  std::pair<std::string_view, BytesView> attribute(NodeNumber number, uint32_t position) const override {
    CHECK(position < attributes(number));
    uint32_t i = first_attribute(number) + position;
    AttributeRecord record = attribute_record(i);
    return {strings(record.name, record.value), strings(record.value, attribute_record(i + 1).name)};
  }

  std::string_view config() const override {
    return strings(header_.string_bytes - header_.config_bytes, header_.string_bytes);
  }

  Image image() const override {
    Image out;
    out.tree.nodes.reserve(header_.nodes);
    for (NodeNumber number = 0; number < header_.nodes; ++number) out.tree.nodes.push_back(node_of(number));
    out.config = config();
    for (uint32_t i = 0; i < header_.origins; ++i) {
      auto begin = record_at<uint32_t>(view_, at_.origins + uint64_t{i} * 4);
      auto end = record_at<uint32_t>(view_, at_.origins + uint64_t{i} * 4 + 4);
      out.origin.emplace_back(strings(begin, end));
    }
    return out;
  }

 private:
  static uint32_t blocks_of(const NodeRecord& file) {
    return static_cast<uint32_t>((file.bytes + kBlockBytes - 1) / kBlockBytes);
  }

  NodeRecord node_record(NodeNumber number) const {
    CHECK(number < header_.nodes);
    return record_at<NodeRecord>(view_, at_.nodes + uint64_t{number} * sizeof(NodeRecord));
  }

  NodeRecord record_of(NodeNumber number, Node::Type type) const {
    NodeRecord record = node_record(number);
    CHECK(record.type == static_cast<uint8_t>(type));
    return record;
  }

  EntryRecord entry_record(uint32_t i) const {
    return record_at<EntryRecord>(view_, at_.entries + uint64_t{i} * sizeof(EntryRecord));
  }

  AttributeRecord attribute_record(uint32_t i) const {
    return record_at<AttributeRecord>(view_, at_.attributes + uint64_t{i} * sizeof(AttributeRecord));
  }

  std::string_view strings(uint64_t from, uint64_t to) const { return view_.substr(at_.strings + from, to - from); }
  std::string_view name_of(uint32_t i) const { return strings(entry_record(i).name, entry_record(i + 1).name); }

  IndexEntry entry_at(uint32_t i) const {
    NodeNumber number = entry_record(i).node;
    return {name_of(i), number, static_cast<Node::Type>(node_record(number).type)};
  }

  // The first attribute of a node that is `number` or later.
  uint32_t first_attribute(NodeNumber number) const {
    uint32_t low = 0, high = header_.attributes;
    while (low < high) {
      uint32_t middle = low + (high - low) / 2;
      if (attribute_record(middle).node < number) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  Node node_of(NodeNumber number) const {
    IndexNode from = node(number);
    Node out{.type = from.type, .mode = from.mode, .user = from.user, .group = from.group,
             .modified_s = from.modified_s, .modified_ns = from.modified_ns, .device_major = from.device_major,
             .device_minor = from.device_minor};
    if (from.type == Node::Type::Link) out.target = target(number);
    if (from.type == Node::Type::File) {
      out.bytes = from.bytes;
      out.sha256 = sha256(number);
      for (uint32_t i = 0; i < from.count; ++i) out.blocks.push_back(block(number, i));
    }
    if (from.type == Node::Type::Folder) {
      for (uint32_t i = 0; i < from.count; ++i) {
        IndexEntry child = entry(number, i);
        out.children.emplace_hint(out.children.end(), child.name, child.node);
      }
    }
    for (uint32_t i = 0, all = attributes(number); i < all; ++i) {
      auto [name, value] = attribute(number, i);
      out.attributes.emplace_hint(out.attributes.end(), name, value);
    }
    return out;
  }

  Storage storage_;
  BytesView view_;
  Header header_;
  Layout at_;
};

Result<std::shared_ptr<const Index>> check_and_make(Storage storage) {
  TRY(check_index(storage.view()));
  storage.forget_pages();
  return std::shared_ptr<const Index>(std::make_shared<FlatIndex>(std::move(storage)));
}

// Bytes that somebody changes or cuts off while they are mapped would end us or belie the check. So a file is
// mapped only where nobody but root and ourselves can: ours, and not writable by others. A disk that cannot
// give a page still ends the process; the file is small, and who serves images is started again.
bool is_only_ours(const struct stat& status) {
  return S_ISREG(status.st_mode) && (status.st_uid == ::geteuid() || status.st_uid == 0) && (status.st_mode & 022) == 0;
}

Result<Storage> storage_of(const std::string& path) {
  io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return errno_error(errno, "open " + path);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return errno_error(errno, path);
  if (!S_ISREG(status.st_mode)) return make_error(Code::Invalid, path + " is no file");
  auto size = static_cast<uint64_t>(status.st_size);
  if (size > kIndexBytesMax) return make_error(Code::Exhausted, "index: larger than allowed");
  if (size == 0 || !is_only_ours(status)) return Storage(TRY(io::read_file(path, kIndexBytesMax)));
  void* pages = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (pages == MAP_FAILED) return errno_error(errno, "map " + path);
  return Storage(static_cast<const char*>(pages), size);
}

}  // namespace

Result<std::shared_ptr<const Index>> Index::open(const std::string& path) {
  return check_and_make(TRY(storage_of(path))).with_context(path);
}

Result<std::shared_ptr<const Index>> Index::parse(Bytes bytes) { return check_and_make(Storage(std::move(bytes))); }

}  // namespace mcloud::image
