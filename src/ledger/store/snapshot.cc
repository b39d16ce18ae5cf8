#include "ledger/store/snapshot.h"

#include "io/file.h"

namespace mcloud::ledger {
namespace {

constexpr std::string_view kMagic = "MCSTATE1";
constexpr size_t kSnapshotBytesMax = size_t{1} << 30;
constexpr uint32_t kEnd = UINT32_MAX;

uint32_t take_u32(BytesView& bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  bytes.remove_prefix(4);
  return value;
}

uint64_t take_u64(BytesView& bytes) {
  uint64_t value = read_u64_be(bytes.substr(0, 8));
  bytes.remove_prefix(8);
  return value;
}

Error damaged(std::string_view why) { return make_error(Code::Corrupt, "snapshot: " + std::string(why)); }

Status read_entries(BytesView bytes, Overlay::Changes& values) {
  while (bytes.size() >= 4) {
    uint32_t key_size = take_u32(bytes);
    if (key_size == kEnd) {
      if (bytes.size() != 8) return damaged("there are bytes after its end");
      if (take_u64(bytes) != values.size()) return damaged("it does not have as many entries as it says");
      return {};
    }
    if (bytes.size() < 4) break;
    uint32_t value_size = take_u32(bytes);
    if (bytes.size() < size_t{key_size} + value_size) break;
    Bytes key(bytes.substr(0, key_size));
    if (!values.empty() && values.rbegin()->first >= key) return damaged("its keys are not in order");
    values.emplace_hint(values.end(), std::move(key), Bytes(bytes.substr(key_size, value_size)));
    bytes.remove_prefix(size_t{key_size} + value_size);
  }
  return damaged("it ends within an entry");
}

}  // namespace

Result<Bytes> encode_snapshot(const StateView& state, size_t bytes_max) {
  Bytes out(kMagic);
  append_u64_be(out, state.height());
  out += state.state_hash().view();
  uint64_t count = 0;
  TRY(state.each("", "", [&](BytesView key, BytesView value) {
    append_u32_be(out, static_cast<uint32_t>(key.size()));
    append_u32_be(out, static_cast<uint32_t>(value.size()));
    out += key;
    out += value;
    ++count;
    return out.size() < bytes_max;
  }));
  if (out.size() >= bytes_max) {
    return make_error(Code::Exhausted,
                      "a snapshot of the state is larger than " + std::to_string(bytes_max) + " bytes");
  }
  append_u32_be(out, kEnd);
  append_u64_be(out, count);
  return out;
}

Status write_snapshot(const StateView& state, const std::string& path) {
  Bytes bytes = TRY(encode_snapshot(state, kSnapshotBytesMax));
  return io::write_file(path, bytes, io::Durability::Fsync, 0600);
}

Result<SnapshotContent> parse_snapshot(BytesView bytes) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 8 + Hash::kSize) {
    return damaged("it does not begin like one");
  }
  bytes.remove_prefix(kMagic.size());
  SnapshotContent content;
  content.height = take_u64(bytes);
  content.state_hash = TRY(Hash::from_bytes(bytes.substr(0, Hash::kSize)));
  bytes.remove_prefix(Hash::kSize);
  TRY(read_entries(bytes, content.values));
  return content;
}

Result<SnapshotContent> read_snapshot(const std::string& path) {
  Bytes bytes = TRY(io::read_file(path, kSnapshotBytesMax + 64));
  return parse_snapshot(bytes).with_context(path);
}

}  // namespace mcloud::ledger
