#include "image/cache/cache_names.h"

#include <fmt/core.h>

namespace mcloud::image {
namespace {

constexpr std::string_view kMagic = "mchave1\n";
constexpr std::string_view kPartEnd = ".part";
constexpr std::string_view kHaveEnd = ".have";
constexpr size_t kHeadBytes = 16;
constexpr size_t kHexBytes = 64;
constexpr size_t kTagBytes = 16;

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

uint64_t read_u64(BytesView bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

std::string file_name(const CacheName& name) {
  std::string hex = name.id.hex();
  std::string_view end;
  if (name.kind == CacheName::Kind::Part) end = kPartEnd;
  if (name.kind == CacheName::Kind::Have) end = kHaveEnd;
  return fmt::format("{}/{}-{:016x}{}", hex.substr(0, 2), hex, name.tag, end);
}

std::optional<CacheName> parse_file_name(std::string_view name) {
  CacheName out;
  for (auto [end, kind] : {std::pair{kPartEnd, CacheName::Kind::Part}, {kHaveEnd, CacheName::Kind::Have}}) {
    if (!name.ends_with(end)) continue;
    out.kind = kind;
    name.remove_suffix(end.size());
    break;
  }
  if (name.size() != 3 + kHexBytes + 1 + kTagBytes || name[2] != '/' || name[3 + kHexBytes] != '-') return std::nullopt;
  std::string_view hex = name.substr(3, kHexBytes), tag = name.substr(3 + kHexBytes + 1);
  if (!hex.starts_with(name.substr(0, 2)) || !is_lower_hex(hex) || !is_lower_hex(tag)) return std::nullopt;
  out.id = *Hash::from_hex(hex);
  out.tag = read_u64_be(*from_hex(tag));
  return out;
}

Bytes encode_have(uint64_t content_bytes, const BlockBits& bits) {
  Bytes out(kMagic);
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(content_bytes >> (8 * i)));
  return out + bits.bytes();
}

std::optional<Have> parse_have(BytesView bytes) {
  if (bytes.size() < kHeadBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  Have out{.content_bytes = read_u64(bytes.substr(8)), .bits = bytes.substr(kHeadBytes)};
  if (out.content_bytes / kBlockBytes >= kHaveBytesMax * 8) return std::nullopt;
  if (out.bits.size() != (blocks_of(out.content_bytes) + 7) / 8) return std::nullopt;
  return out;
}

}  // namespace mcloud::image
