#include "kv/meta.h"

#include <charconv>
#include <vector>

#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"

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

// Reads the lines one after the other, in their one order.
class Lines {
 public:
  explicit Lines(BytesView text) : text_(text) {}

  Result<BytesView> take(BytesView name) {
    size_t end = text_.find('\n');
    if (end == BytesView::npos || !text_.starts_with(name) || end < name.size() + 1 || text_[name.size()] != ' ') {
      return corrupt("no line \"" + std::string(name) + "\" where it belongs");
    }
    BytesView value = text_.substr(name.size() + 1, end - name.size() - 1);
    text_.remove_prefix(end + 1);
    return value;
  }
  Result<uint64_t> number(BytesView name) {
    BytesView value = TRY(take(name));
    return to_number(value);
  }
  Result<bool> yes(BytesView name) {
    BytesView value = TRY(take(name));
    if (value != "yes" && value != "no") return corrupt(std::string(name) + ": neither yes nor no");
    return value == "yes";
  }
  template <typename Enum>
  Result<Enum> word(BytesView name, std::initializer_list<BytesView> words) {
    BytesView value = TRY(take(name));
    return which<Enum>(value, words);
  }
  template <typename Enum>
  static Result<Enum> which(BytesView value, std::initializer_list<BytesView> words) {
    uint8_t number = 0;
    for (BytesView allowed : words) {
      if (value == allowed) return static_cast<Enum>(number);
      ++number;
    }
    return corrupt("unknown word " + std::string(value.substr(0, 40)));
  }
  static Result<uint64_t> to_number(BytesView value) {
    uint64_t number = 0;
    auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (failed != std::errc{} || end != value.data() + value.size()) return corrupt("not a number");
    return number;
  }

 private:
  BytesView text_;
};

std::vector<BytesView> split(BytesView text) {
  std::vector<BytesView> parts;
  for (size_t end = text.find(' '); end != BytesView::npos; end = text.find(' ')) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
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
  settings.history.keep = TRY(Lines::which<History::Keep>(history[0], {"forever", "last", "newer"}));
  settings.history.amount = TRY(Lines::to_number(history[1]));
  settings.bytes_max = TRY(lines.number("bytes_max"));
  BytesView password = TRY(lines.take("password"));
  settings.password = TRY(from_hex(password));
  settings.is_public = TRY(lines.yes("public"));
  settings.is_write_once = TRY(lines.yes("write_once"));
  return {};
}

}  // namespace

Bytes encode_meta(const Meta& meta) {
  const Settings& settings = meta.settings;
  auto line = [](BytesView name, const std::string& value) { return std::string(name) + " " + value + "\n"; };
  auto yes = [](bool is) { return std::string(is ? "yes" : "no"); };
  const Totals& baseline = meta.baseline;
  Bytes out(kFirstLine);
  out += line("salt", hex(meta.salt));
  out += line("hash", hex(meta.hash.first) + hex(meta.hash.second));
  out += line("first", std::to_string(meta.first));
  out += line("baseline", std::to_string(baseline.next_sequence) + " " + std::to_string(baseline.next_id) + " " +
                              std::to_string(baseline.live_bytes));
  out += line("epoch", std::to_string(meta.epoch));
  out += line("mode", word_of(settings.mode));
  out += line("durability", word_of(settings.durability));
  out += line("interval_ms", std::to_string(settings.interval_ms));
  out += line("history", word_of(settings.history.keep) + (" " + std::to_string(settings.history.amount)));
  out += line("bytes_max", std::to_string(settings.bytes_max));
  out += line("password", to_hex(settings.password));
  out += line("public", yes(settings.is_public));
  out += line("write_once", yes(settings.is_write_once));
  out += line("check", hex(crc32c(out)));
  return out;
}

Result<Meta> parse_meta(BytesView text) {
  if (text.starts_with("mcloud-kv ") && !text.starts_with(kFirstLine)) {
    return make_error(Code::Unsupported, "meta: written by a later version");
  }
  if (!text.starts_with(kFirstLine)) return corrupt("it does not begin with mcloud-kv 1");
  constexpr size_t kCheckLine = 15;  // "check HEX8\n"
  if (text.size() < kFirstLine.size() + kCheckLine) return corrupt("too short");
  Lines last(text.substr(text.size() - kCheckLine));
  BytesView digits = TRY(last.take("check"));
  uint32_t check = TRY(from_hex_number<uint32_t>(digits));
  if (check != crc32c(text.substr(0, text.size() - kCheckLine))) return corrupt("its check fails");

  Lines lines(text.substr(kFirstLine.size()));
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
  meta.baseline = {TRY(Lines::to_number(baseline[0])), TRY(Lines::to_number(baseline[1])),
                   TRY(Lines::to_number(baseline[2]))};
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
