#include "flist/export/tar_writer.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mcloud::flist {
namespace {

using image::Node;

constexpr size_t kBlock = 512;
constexpr size_t kNameBytes = 100;
constexpr uint64_t kOctal7Max = 07777777;         // what fields of 8 and 12 bytes hold
constexpr uint64_t kOctal11Max = 077777777777;

// "LENGTH key=value\n", where LENGTH counts itself.
std::string record(const std::string& key, const std::string& value) {
  size_t bytes = key.size() + value.size() + 3;
  size_t total = bytes + std::to_string(bytes).size();
  total = bytes + std::to_string(total).size();
  return std::to_string(total) + " " + key + "=" + value + "\n";
}

void octal(char* field, size_t width, uint64_t value) {
  for (size_t i = width - 1; i-- > 0; value /= 8) field[i] = static_cast<char>('0' + value % 8);
}

char type_of(const Node& node) {
  switch (node.type) {
    case Node::Type::Folder: return '5';
    case Node::Type::Link: return '2';
    case Node::Type::Fifo: return '6';
    case Node::Type::CharacterDevice: return '3';
    case Node::Type::BlockDevice: return '4';
    case Node::Type::File:
    case Node::Type::Socket: break;
  }
  return '0';
}

std::string time_text(const Node& node) {
  if (node.modified_ns == 0) return std::to_string(node.modified_s);
  // A negative time with a fraction: -1.75 is 2 seconds before 0 and 0.25 after that.
  bool is_negative = node.modified_s < 0;
  int64_t whole = is_negative ? -(node.modified_s + 1) : node.modified_s;
  uint32_t fraction = is_negative ? 1'000'000'000 - node.modified_ns : node.modified_ns;
  std::string digits = std::to_string(1'000'000'000 + static_cast<uint64_t>(fraction)).substr(1);
  return (is_negative ? "-" : "") + std::to_string(whole) + "." + digits;
}

Result<std::string> attribute_records(const Node& node) {
  std::string out;
  for (const auto& [name, value] : node.attributes) {
    if (name.find('=') != std::string::npos) {
      return make_error(Code::Unsupported, "attribute " + name.substr(0, 100) + ": a tar cannot hold a name with '='");
    }
    out += record("SCHILY.xattr." + name, value);
  }
  return out;
}

bool is_ascii(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// What does not fit into the header of 1988. Names are bytes, whatever their character set.
Result<std::string> records_of(const std::string& path, const Node& node, const std::string& link) {
  std::string out;
  if (!is_ascii(path) || !is_ascii(link)) out += record("hdrcharset", "BINARY");
  if (path.size() > kNameBytes) out += record("path", path);
  if (link.size() > kNameBytes) out += record("linkpath", link);
  bool is_plain_time = node.modified_ns == 0 && node.modified_s >= 0 && static_cast<uint64_t>(node.modified_s) <= kOctal11Max;
  if (!is_plain_time) out += record("mtime", time_text(node));
  if (node.user > kOctal7Max) out += record("uid", std::to_string(node.user));
  if (node.group > kOctal7Max) out += record("gid", std::to_string(node.group));
  return out + TRY(attribute_records(node));
}

std::string padded(std::string text) {
  text.resize((text.size() + kBlock - 1) / kBlock * kBlock);
  return text;
}

// The map in front of the data of a file with holes, and the records that say so.
std::pair<std::string, std::string> sparse_parts(const TarItem& item, const Node& node) {
  std::string map = std::to_string(item.data.size()) + "\n";
  for (const auto& [offset, bytes] : item.data) map += std::to_string(offset) + "\n" + std::to_string(bytes) + "\n";
  std::string records = record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") +
                        record("GNU.sparse.name", item.path) + record("GNU.sparse.realsize", std::to_string(node.bytes));
  return {padded(std::move(map)), std::move(records)};
}

uint64_t data_bytes(const TarItem& item) {
  uint64_t sum = 0;
  for (const auto& piece : item.data) sum += piece.second;
  return sum;
}

}  // namespace

Status TarWriter::begin(const TarItem& item, const Node& node) {
  if (node.type == Node::Type::Socket) return make_error(Code::Invalid, "a tar holds no sockets");
  std::string path = item.path.empty() ? "./" : node.type == Node::Type::Folder ? item.path + "/" : item.path;
  if (!item.hard_link.empty()) {
    Node plain;
    std::string records = TRY(records_of(path, plain, item.hard_link));
    return put_header(path, '1', 0, plain, item.hard_link, records);
  }
  std::string records = TRY(records_of(path, node, node.target));
  uint64_t size = data_bytes(item);
  std::string map;
  if (node.type == Node::Type::File && size != node.bytes) {
    auto [text, more] = sparse_parts(item, node);
    map = std::move(text);
    records += more;
    path = "GNUSparseFile.0/" + path;  // who does not know the format sees that it is one
  }
  size += map.size();
  if (size > kOctal11Max) records += record("size", std::to_string(size));
  TRY(put_header(path, type_of(node), size, node, node.target, records));
  return map.empty() ? Status() : write(map);
}

Status TarWriter::put_header(std::string name, char type, uint64_t size, const Node& node, const std::string& link,
                             const std::string& records) {
  if (!records.empty()) {
    TRY(put_header("PaxHeaders.0/x", 'x', records.size(), Node(), "", ""));
    TRY(out_(padded(records)));
  }
  std::array<char, kBlock> block{};
  std::memcpy(block.data(), name.data(), std::min(name.size(), kNameBytes));
  octal(&block[100], 8, node.mode);
  octal(&block[108], 8, std::min<uint64_t>(node.user, kOctal7Max));
  octal(&block[116], 8, std::min<uint64_t>(node.group, kOctal7Max));
  octal(&block[124], 12, std::min(size, kOctal11Max));
  octal(&block[136], 12, node.modified_s < 0 ? 0 : std::min<uint64_t>(static_cast<uint64_t>(node.modified_s), kOctal11Max));
  block[156] = type;
  std::memcpy(&block[157], link.data(), std::min(link.size(), kNameBytes));
  std::memcpy(&block[257], "ustar\00000", 8);
  octal(&block[329], 8, node.device_major);
  octal(&block[337], 8, node.device_minor);
  std::memset(&block[148], ' ', 8);
  uint64_t sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  octal(&block[148], 7, sum);
  block[154] = '\0';
  written_ = 0;
  return out_(BytesView(block.data(), block.size()));
}

Status TarWriter::write(BytesView bytes) {
  written_ += bytes.size();
  return out_(bytes);
}

Status TarWriter::pad() {
  size_t rest = written_ % kBlock;
  written_ = 0;
  return rest == 0 ? Status() : out_(std::string(kBlock - rest, '\0'));
}

Status TarWriter::end() { return pad(); }

Status TarWriter::finish() { return out_(std::string(2 * kBlock, '\0')); }

}  // namespace mcloud::flist
