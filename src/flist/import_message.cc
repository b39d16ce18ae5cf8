#include "flist/import_message.h"

#include <cstring>

#include "flist/limits.h"
#include "image/limits.h"
#include "image/tree/names.h"

namespace mcloud::flist {
namespace {

constexpr std::string_view kMagic = "mcimport";
enum Kind : uint8_t { kFailed = 0, kDone = 1 };

void append_number(Bytes& out, size_t number) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(number >> shift & 0xff);
}

void append_text(Bytes& out, BytesView text) {
  append_number(out, text.size());
  out += text;
}

Error wrong() { return make_error(Code::Corrupt, "the importer's message is none"); }

class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  bool is_at_end() const { return rest_.empty(); }

  Result<BytesView> take(size_t size) {
    if (size > rest_.size()) return wrong();
    BytesView out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }

  Result<uint8_t> byte() {
    BytesView one = TRY(take(1));
    return static_cast<uint8_t>(one[0]);
  }

  Result<size_t> number(uint64_t allowed) {
    BytesView four = TRY(take(4));
    size_t out = 0;
    for (int i = 3; i >= 0; --i) out = out << 8 | static_cast<uint8_t>(four[static_cast<size_t>(i)]);
    if (out > allowed) return wrong();
    return out;
  }

  Result<Bytes> text(uint64_t bytes_max) {
    size_t size = TRY(number(bytes_max));
    BytesView out = TRY(take(size));
    return Bytes(out);
  }

 private:
  BytesView rest_;
};

void append_done(Bytes& out, const ImportMessage& message) {
  append_text(out, message.index);
  const Flist& beside = message.beside;
  append_number(out, beside.routes.size());
  for (const image::Route& route : beside.routes) {
    out += static_cast<char>(route.first);
    out += static_cast<char>(route.last);
    append_text(out, route.url);
  }
  append_number(out, beside.tags.size());
  for (const auto& [key, value] : beside.tags) {
    append_text(out, key);
    append_text(out, value);
  }
  append_number(out, beside.signatures.size());
  for (const ImageSignature& one : beside.signatures) {
    out += one.signer.view();
    out += one.signature;
  }
  append_number(out, beside.trace.size());
  for (const std::string& line : beside.trace) append_text(out, line);
}

Result<ImportMessage> read_done(Reader& reader) {
  ImportMessage out;
  out.index = TRY(reader.text(image::kIndexBytesMax));
  Flist& beside = out.beside;
  for (size_t left = TRY(reader.number(kRoutesMax)); left > 0; --left) {
    image::Route route{.first = TRY(reader.byte()), .last = TRY(reader.byte())};
    route.url = TRY(reader.text(kUrlBytesMax));
    beside.routes.push_back(std::move(route));
  }
  for (size_t left = TRY(reader.number(kTagsMax)); left > 0; --left) {
    Bytes key = TRY(reader.text(kTagKeyBytesMax));
    beside.tags[key] = TRY(reader.text(kTagValueBytesMax));
  }
  for (size_t left = TRY(reader.number(kSignaturesMax)); left > 0; --left) {
    BytesView signer = TRY(reader.take(32));
    BytesView signature = TRY(reader.take(64));
    beside.signatures.push_back({TRY(PublicKey::from_bytes(signer)), Bytes(signature)});
  }
  for (size_t left = TRY(reader.number(kTraceLinesMax)); left > 0; --left) {
    beside.trace.push_back(TRY(reader.text(kTraceLineBytesMax)));
  }
  return out;
}

// A stranger's words go into logs and terminals.
std::string harmless(std::string_view text) {
  std::string out;
  for (char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out;
}

}  // namespace

Bytes format_message(const Result<ImportMessage>& message) {
  Bytes out(kMagic);
  out += static_cast<char>(message.has_value() ? kDone : kFailed);
  if (message.has_value()) {
    append_done(out, *message);
  } else {
    append_text(out, code_name(message.error().code));
    append_text(out, BytesView(message.error().message).substr(0, kErrorTextBytesMax));
  }
  return out;
}

Result<ImportMessage> parse_message(BytesView bytes) {
  Reader reader(bytes);
  BytesView magic = TRY(reader.take(kMagic.size()));
  if (magic != kMagic) return wrong();
  uint8_t kind = TRY(reader.byte());
  if (kind == kFailed) {
    Bytes code = TRY(reader.text(64));
    Bytes text = TRY(reader.text(kErrorTextBytesMax));
    if (!reader.is_at_end()) return wrong();
    return make_error(code_from_name(code), harmless(text));
  }
  if (kind != kDone) return wrong();
  ImportMessage out = TRY(read_done(reader));
  if (!reader.is_at_end()) return wrong();
  TRY(check_beside(out.beside));
  return out;
}

}  // namespace mcloud::flist
