#include "gateway/dns_text.h"

#include <algorithm>
#include <set>

namespace mcloud::gateway {
namespace {

constexpr uint16_t kTypeTxt = 16;
constexpr uint16_t kTypeCname = 5;
constexpr uint16_t kClassIn = 1;
constexpr size_t kRecordsMax = 256;
constexpr int kJumpsMax = 32;

Error corrupt(const char* what) { return make_error(Code::Corrupt, std::string("answer of the name server: ") + what); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Reads big-endian fields and names (section 4.1.4) of one message.
class Reader {
 public:
  explicit Reader(BytesView message) : message_(message) {}

  Result<uint16_t> u16() {
    if (message_.size() - at_ < 2) return corrupt("too short");
    uint16_t value = static_cast<uint16_t>(byte(at_) << 8 | byte(at_ + 1));
    at_ += 2;
    return value;
  }
  Result<BytesView> bytes(size_t count) {
    if (message_.size() - at_ < count) return corrupt("too short");
    at_ += count;
    return message_.substr(at_ - count, count);
  }
  // Lower case, labels joined by dots. A pointer leads backwards only, so that it cannot go round.
  Result<std::string> name() {
    std::string out;
    size_t at = at_;
    bool has_jumped = false;
    for (int jumps = 0; jumps <= kJumpsMax;) {
      if (at >= message_.size()) return corrupt("a name without end");
      unsigned length = byte(at);
      if (length >= 0xc0) {
        if (at + 1 >= message_.size()) return corrupt("half a pointer");
        size_t target = (length & 0x3f) << 8 | byte(at + 1);
        if (target >= at) return corrupt("a pointer that leads forwards");
        if (!has_jumped) at_ = at + 2;
        has_jumped = true;
        at = target;
        ++jumps;
        continue;
      }
      if (length > 63) return corrupt("a label that is too long");
      if (length == 0) {
        if (!has_jumped) at_ = at + 1;
        return out;
      }
      if (message_.size() - at - 1 < length || out.size() + length > 254) return corrupt("a name that is too long");
      if (!out.empty()) out += '.';
      for (char c : message_.substr(at + 1, length)) out += lower(c);
      at += length + 1;
    }
    return corrupt("a name that jumps for ever");
  }
  size_t at() const { return at_; }
  void go(size_t at) { at_ = at; }

 private:
  unsigned byte(size_t at) const { return static_cast<unsigned char>(message_[at]); }
  BytesView message_;
  size_t at_ = 0;
};

Result<std::string> joined_strings(BytesView data) {
  std::string out;
  while (!data.empty()) {
    size_t length = static_cast<unsigned char>(data[0]);
    if (length >= data.size()) return corrupt("a text that is too long");
    out += data.substr(1, length);
    data.remove_prefix(1 + length);
  }
  return out;
}

// CNAMEs stand before what they lead to in every answer that servers give; other orders are not followed.
Status read_record(Reader& reader, std::set<std::string>& names, TxtAnswer& answer) {
  std::string owner = TRY(reader.name());
  uint16_t type = TRY(reader.u16());
  uint16_t of_class = TRY(reader.u16());
  TRY(reader.bytes(4));  // time to live
  uint16_t length = TRY(reader.u16());
  size_t end = reader.at() + length;
  if (of_class == kClassIn && names.contains(owner) && type == kTypeCname) {
    names.insert(TRY(reader.name()));
    if (reader.at() != end) return corrupt("a CNAME of another length");
    return {};
  }
  BytesView data = TRY(reader.bytes(length));
  if (of_class == kClassIn && type == kTypeTxt && names.contains(owner)) answer.texts.push_back(TRY(joined_strings(data)));
  return {};
}

}  // namespace

Result<Bytes> txt_question(uint16_t id, std::string_view name) {
  Bytes out = {static_cast<char>(id >> 8), static_cast<char>(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  if (name.empty() || name.size() > 253) return make_error(Code::Invalid, "no name to ask for");
  while (true) {
    std::string_view label = name.substr(0, name.find('.'));
    bool is_good = !label.empty() && label.size() <= 63 &&
                   std::ranges::all_of(label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
    if (!is_good) return make_error(Code::Invalid, "no name to ask for");
    out += static_cast<char>(label.size());
    out += label;
    if (label.size() == name.size()) break;
    name.remove_prefix(label.size() + 1);
  }
  out.append({0, 0, static_cast<char>(kTypeTxt), 0, static_cast<char>(kClassIn)});
  return out;
}

Result<TxtAnswer> parse_txt_answer(BytesView bytes, uint16_t id, std::string_view name) {
  Reader reader(bytes);
  uint16_t answer_id = TRY(reader.u16());
  uint16_t flags = TRY(reader.u16());
  uint16_t questions = TRY(reader.u16());
  uint16_t answers = TRY(reader.u16());
  TRY(reader.bytes(4));
  if (answer_id != id || (flags & 0x8000) == 0 || questions != 1) return corrupt("it answers something else");
  std::string asked = TRY(reader.name());
  uint16_t type = TRY(reader.u16());
  uint16_t of_class = TRY(reader.u16());
  if (asked != name || type != kTypeTxt || of_class != kClassIn) return corrupt("it answers something else");
  unsigned code = flags & 0x0f;
  TxtAnswer out;
  out.is_truncated = (flags & 0x0200) != 0;
  if (code == 3 || out.is_truncated) return out;  // no such name
  if (code != 0) return make_error(Code::Unavailable, "the name server answers with error " + std::to_string(code));
  if (answers > kRecordsMax) return corrupt("too many records");
  std::set<std::string> names = {asked};
  for (unsigned i = 0; i < answers; ++i) TRY(read_record(reader, names, out));
  return out;
}

}  // namespace mcloud::gateway
