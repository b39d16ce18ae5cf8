#include "kv/replication/frame.h"

#include <charconv>

#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"
#include "kv/log/record.h"
#include "kv/meta.h"
#include "kv/replication/role.h"

namespace mcloud::kv {
namespace {

enum class Type : uint8_t { Hello = 1, Data, Damaged, Front, Settings, Lineage, Pulse };

Error corrupt(std::string_view why) { return make_error(Code::Corrupt, "replication stream: " + std::string(why)); }

void append_text(Bytes& out, BytesView text) {
  append(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

void append_totals(Bytes& out, const Totals& totals) {
  append(out, totals.next_sequence);
  append(out, totals.next_id);
  append(out, totals.live_bytes);
}

// What is left of a payload.
class Payload {
 public:
  explicit Payload(BytesView bytes) : bytes_(bytes) {}

  template <typename Number>
  Number number() {
    if (bytes_.size() < sizeof(Number)) {
      is_short_ = true;
      return 0;
    }
    Number value = load<Number>(bytes_.data());
    bytes_.remove_prefix(sizeof(Number));
    return value;
  }
  Position position() {
    auto value = number<uint64_t>();
    if (value % 8 != 0 || value > kPositionEnd) is_short_ = true;
    return value;
  }
  Totals totals() {
    Totals totals;
    totals.next_sequence = number<uint64_t>();
    totals.next_id = number<uint64_t>();
    totals.live_bytes = number<uint64_t>();
    return totals;
  }
  BytesView take(size_t size) {
    if (bytes_.size() < size) is_short_ = true;
    BytesView taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  BytesView text() { return take(number<uint32_t>()); }
  BytesView rest() { return take(bytes_.size()); }
  // Everything was there, and nothing else.
  Status end() const {
    if (is_short_ || !bytes_.empty()) return corrupt("a frame's size or a number in it is out of bounds");
    return {};
  }

 private:
  BytesView bytes_;
  bool is_short_ = false;
};

Type put(Bytes& out, const HelloFrame& hello) {
  append(out, hello.term);
  out.append(hello.log_id);
  append(out, hello.first);
  append_totals(out, hello.baseline);
  append(out, hello.common);
  append(out, hello.complete_at);
  append(out, hello.epoch);
  append_text(out, text_of(hello.lineage));
  append_text(out, encode_settings(hello.settings));
  return Type::Hello;
}
Type put(Bytes& out, const DataFrame& data) {
  append(out, data.chunk.position);
  append(out, data.chunk.segment);
  out.append(data.chunk.bytes);
  return data.chunk.is_damaged ? Type::Damaged : Type::Data;
}
Type put(Bytes& out, const FrontFrame& front) {
  append(out, front.first);
  append_totals(out, front.baseline);
  return Type::Front;
}
Type put(Bytes& out, const SettingsFrame& settings) {
  append(out, settings.epoch);
  append_text(out, encode_settings(settings.settings));
  return Type::Settings;
}
Type put(Bytes& out, const LineageFrame& lineage) {
  append_text(out, text_of(lineage.lineage));
  return Type::Lineage;
}
Type put(Bytes& out, const PulseFrame& pulse) {
  append(out, pulse.written);
  append(out, pulse.durable);
  append(out, pulse.time_ms);
  append(out, static_cast<uint8_t>(pulse.is_awaited));
  return Type::Pulse;
}

Result<Frame> parse_hello(Payload& payload) {
  HelloFrame hello;
  hello.term = payload.number<uint64_t>();
  hello.log_id = payload.take(kLogIdBytes);
  hello.first = payload.position();
  hello.baseline = payload.totals();
  hello.common = payload.position();
  hello.complete_at = payload.position();
  hello.epoch = payload.number<uint64_t>();
  BytesView lineage = payload.text(), settings = payload.text();
  TRY(payload.end());
  hello.lineage = TRY(parse_lineage(lineage));
  hello.settings = TRY(parse_settings(settings));
  if (hello.complete_at < hello.first || hello.complete_at < hello.common) return corrupt("its positions contradict");
  return Frame(std::move(hello));
}

Result<Frame> parse_data(Payload& payload, bool is_damaged) {
  DataFrame data;
  LogChunk& chunk = data.chunk;
  chunk.position = payload.position();
  chunk.segment = payload.position();
  chunk.is_damaged = is_damaged;
  chunk.bytes = payload.rest();
  TRY(payload.end());
  bool fits = chunk.segment <= chunk.position && !chunk.bytes.empty() && chunk.bytes.size() % 8 == 0 &&
              chunk.end() <= kPositionEnd;
  if (!fits) return corrupt("a stretch of the log is out of bounds");
  return Frame(std::move(data));
}

Result<Frame> parse_frame(uint8_t type, BytesView bytes) {
  Payload payload(bytes);
  switch (static_cast<Type>(type)) {
    case Type::Hello: return parse_hello(payload);
    case Type::Data: return parse_data(payload, false);
    case Type::Damaged: return parse_data(payload, true);
    case Type::Front: {
      FrontFrame front;
      front.first = payload.position();
      front.baseline = payload.totals();
      TRY(payload.end());
      return Frame(front);
    }
    case Type::Settings: {
      SettingsFrame settings;
      settings.epoch = payload.number<uint64_t>();
      BytesView text = payload.text();
      TRY(payload.end());
      settings.settings = TRY(parse_settings(text));
      return Frame(std::move(settings));
    }
    case Type::Lineage: {
      BytesView text = payload.text();
      TRY(payload.end());
      return Frame(LineageFrame{TRY(parse_lineage(text))});
    }
    case Type::Pulse: {
      PulseFrame pulse;
      pulse.written = payload.position();
      pulse.durable = payload.position();
      pulse.time_ms = payload.number<uint64_t>();
      auto is_awaited = payload.number<uint8_t>();
      TRY(payload.end());
      if (is_awaited > 1) return corrupt("a flag is neither 0 nor 1");
      pulse.is_awaited = is_awaited == 1;
      return Frame(pulse);
    }
  }
  return corrupt("a frame of an unknown type");
}

Result<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size())
    return make_error(Code::Invalid, "REPLICATE: a number is missing");
  return number;
}

}  // namespace

std::vector<std::string> words_of(const StreamRequest& request) {
  return {"REPLICATE",
          std::to_string(kStreamProtocol),
          request.name,
          request.member.empty() ? "-" : request.member,
          std::to_string(request.promised),
          request.log_id.empty() ? "-" : to_hex(request.log_id),
          std::to_string(request.end),
          text_of(request.lineage)};
}

Result<StreamRequest> parse_stream_request(const std::vector<std::string_view>& words) {
  if (words.size() != 8) return make_error(Code::Invalid, "REPLICATE takes 7 words");
  uint64_t protocol = TRY(parse_number(words[1]));
  if (protocol != kStreamProtocol)
    return make_error(Code::Unsupported, "REPLICATE: protocol " + std::to_string(kStreamProtocol) + " is spoken here");
  StreamRequest request;
  request.name = words[2];
  if (words[3] != "-") {
    if (!is_member_name(words[3])) return make_error(Code::Invalid, "REPLICATE: no member's name");
    request.member = words[3];
  }
  request.promised = TRY(parse_number(words[4]));
  if (words[5] != "-") request.log_id = TRY(from_hex(words[5]));
  if (!request.log_id.empty() && request.log_id.size() != kLogIdBytes)
    return make_error(Code::Invalid, "REPLICATE: a log id has 40 digits");
  request.end = TRY(parse_number(words[6]));
  if (request.end % 8 != 0 || request.end > kPositionEnd)
    return make_error(Code::Invalid, "REPLICATE: no position of a log");
  request.lineage = TRY(parse_lineage(words[7]));
  return request;
}

void append_frame(Bytes& out, const Frame& frame) {
  size_t begin = out.size();
  out.append(5, '\0');
  Type type = std::visit([&](const auto& one) { return put(out, one); }, frame);
  out[begin + 4] = static_cast<char>(type);
  store(out.data() + begin, static_cast<uint32_t>(out.size() - begin - 4));
  append(out, crc32c(BytesView(out).substr(begin + 4)));
}

Result<std::optional<Frame>> FrameReader::next() {
  BytesView left = BytesView(buffer_).substr(begin_);
  if (left.size() >= 4) {
    auto size = load<uint32_t>(left.data());
    if (size == 0 || size > kFrameBytesMax) return corrupt("a frame's size is out of bounds");
    if (left.size() >= size_t{size} + 8) {
      BytesView body = left.substr(4, size);
      if (crc32c(body) != load<uint32_t>(left.data() + 4 + size)) return corrupt("a frame's check fails");
      begin_ += size_t{size} + 8;
      return std::optional<Frame>(TRY(parse_frame(static_cast<uint8_t>(body[0]), body.substr(1))));
    }
  }
  buffer_.erase(0, std::exchange(begin_, 0));
  return std::optional<Frame>();
}

void append_ack(Bytes& out, const Ack& ack) {
  append(out, uint32_t{kAckBytes - 4});
  append(out, ack.durable);
  append(out, ack.received);
}

Result<std::optional<Ack>> take_acks(Bytes& bytes) {
  std::optional<Ack> last;
  size_t at = 0;
  for (; bytes.size() - at >= kAckBytes; at += kAckBytes) {
    if (load<uint32_t>(bytes.data() + at) != kAckBytes - 4) return corrupt("no ack");
    last = Ack{load<uint64_t>(bytes.data() + at + 4), load<uint64_t>(bytes.data() + at + 12)};
    if (last->durable > last->received || last->received > kPositionEnd) return corrupt("an ack is out of bounds");
  }
  if (bytes.size() - at >= 4 && load<uint32_t>(bytes.data() + at) != kAckBytes - 4) return corrupt("no ack");
  bytes.erase(0, at);
  return last;
}

}  // namespace mcloud::kv
