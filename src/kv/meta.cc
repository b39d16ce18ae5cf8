#include "kv/meta.h"

#include <vector>

#include "kv/lines.h"
#include "kv/log/bytes.h"

namespace mcloud::kv {
namespace {

constexpr BytesView kFirstLine = "mcloud-kv 1\n";
constexpr uint64_t kMetaBytesMax = 64 << 10;

Error corrupt(std::string why) { return make_error(Code::Corrupt, "meta: " + why); }

template <typename Number>
std::string hex(Number value) {
  Bytes bytes;
  append(bytes, value);
  return to_hex(bytes);
}

template <typename Number>
Result<Number> from_hex_number(BytesView text) {
  Bytes bytes = TRY(from_hex(text));
  if (bytes.size() != sizeof(Number)) return corrupt("a number has the wrong length");
  return load<Number>(bytes.data());
}

const char* word_of(KeyMode mode) { return mode == KeyMode::User ? "user" : "sequence"; }
const char* word_of(Durability durability) {
  switch (durability) {
    case Durability::Always: return "always";
    case Durability::Interval: return "interval";
    case Durability::None: return "none";
  }
  return "";
}
const char* word_of(History::Keep keep) {
  switch (keep) {
    case History::Keep::Forever: return "forever";
    case History::Keep::LastVersions: return "last";
    case History::Keep::NewerThan: return "newer";
  }
  return "";
}

Status parse_settings(Lines& lines, Settings& settings) {
  settings.mode = TRY(lines.word<KeyMode>("mode", {"user", "sequence"}));
  settings.durability = TRY(lines.word<Durability>("durability", {"always", "interval", "none"}));
  settings.interval_ms = TRY(lines.number("interval_ms"));
  BytesView words = TRY(lines.take("history"));
  std::vector<BytesView> history = split(words);
  if (history.size() != 2) return corrupt("history: two words belong there");
  settings.history.keep = TRY(lines.which<History::Keep>(history[0], {"forever", "last", "newer"}));
  settings.history.amount = TRY(lines.to_number(history[1]));
  settings.bytes_max = TRY(lines.number("bytes_max"));
  BytesView password = TRY(lines.take("password"));
  settings.password = TRY(from_hex(password));
  settings.is_public = TRY(lines.yes("public"));
  settings.is_write_once = TRY(lines.yes("write_once"));
  return {};
}

}  // namespace

Bytes encode_settings(const Settings& settings) {
  auto yes = [](bool is) { return is ? "yes" : "no"; };
  Bytes out;
  out += line_of("mode", word_of(settings.mode));
  out += line_of("durability", word_of(settings.durability));
  out += line_of("interval_ms", std::to_string(settings.interval_ms));
  out += line_of("history", word_of(settings.history.keep) + (" " + std::to_string(settings.history.amount)));
  out += line_of("bytes_max", std::to_string(settings.bytes_max));
  out += line_of("password", to_hex(settings.password));
  out += line_of("public", yes(settings.is_public));
  out += line_of("write_once", yes(settings.is_write_once));
  return out;
}

Result<Settings> parse_settings(BytesView text) {
  Lines lines("settings", text);
  Settings settings;
  TRY(parse_settings(lines, settings));
  if (!lines.is_empty()) return corrupt("lines follow that do not belong there");
  return settings;
}

Bytes encode_meta(const Meta& meta) {
  const Totals& baseline = meta.baseline;
  Bytes out(kFirstLine);
  out += line_of("salt", hex(meta.salt));
  out += line_of("hash", hex(meta.hash.first) + hex(meta.hash.second));
  out += line_of("first", std::to_string(meta.first));
  out += line_of("baseline", std::to_string(baseline.next_sequence) + " " + std::to_string(baseline.next_id) + " " +
                                 std::to_string(baseline.live_bytes));
  out += line_of("lineage", text_of(meta.lineage));
  out += line_of("complete_at", std::to_string(meta.complete_at));
  out += line_of("epoch", std::to_string(meta.epoch));
  out += encode_settings(meta.settings);
  return with_check(std::move(out));
}

Result<Meta> parse_meta(BytesView text) {
  BytesView between = TRY(checked_lines("meta", text, kFirstLine));
  Lines lines("meta", between);
  Meta meta;
  BytesView salt = TRY(lines.take("salt"));
  meta.salt = TRY(from_hex_number<uint32_t>(salt));
  BytesView hash = TRY(lines.take("hash"));
  if (hash.size() != 32) return corrupt("hash: 32 digits belong there");
  meta.hash = {TRY(from_hex_number<uint64_t>(hash.substr(0, 16))), TRY(from_hex_number<uint64_t>(hash.substr(16)))};
  meta.first = TRY(lines.number("first"));
  BytesView numbers = TRY(lines.take("baseline"));
  std::vector<BytesView> baseline = split(numbers);
  if (baseline.size() != 3) return corrupt("baseline: three numbers belong there");
  meta.baseline = {TRY(lines.to_number(baseline[0])), TRY(lines.to_number(baseline[1])),
                   TRY(lines.to_number(baseline[2]))};
  BytesView lineage = TRY(lines.take("lineage"));
  meta.lineage = TRY(parse_lineage(lineage));
  meta.complete_at = TRY(lines.number("complete_at"));
  meta.epoch = TRY(lines.number("epoch"));
  TRY(parse_settings(lines, meta.settings));
  return meta;
}

Result<Meta> load_meta(Disk& disk, const std::string& folder) {
  return parse_meta(TRY(read_whole(disk, folder + "/meta", kMetaBytesMax))).with_context(folder);
}

Status save_meta(Disk& disk, const std::string& folder, const Meta& meta) {
  return replace_file(disk, folder, "meta", encode_meta(meta));
}

Status replace_file(Disk& disk, const std::string& folder, const std::string& name, BytesView bytes) {
  const std::string beside = folder + "/" + name + ".new";
  TRY(disk.remove(beside));
  {
    auto file = TRY(disk.open(beside, OpenMode::Create));
    TRY(file->write(0, bytes));
    TRY(file->sync());
  }
  TRY(disk.rename(beside, folder + "/" + name));
  return disk.sync_folder(folder);
}

Result<Bytes> read_whole(Disk& disk, const std::string& path, uint64_t bytes_max) {
  auto file = TRY(disk.open(path, OpenMode::Read));
  uint64_t size = TRY(file->size());
  if (size > bytes_max)
    return make_error(Code::Corrupt, path + ": larger than " + std::to_string(bytes_max) + " bytes");
  Bytes bytes(size, '\0');
  bytes.resize(TRY(file->read(0, bytes.data(), bytes.size())));
  return bytes;
}

}  // namespace mcloud::kv
