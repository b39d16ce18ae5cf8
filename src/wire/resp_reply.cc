#include "wire/resp_reply.h"

#include <charconv>

namespace mcloud::wire {
namespace {

constexpr size_t kLineBytesMax = 64 << 10;

struct Head {
  char type = 0;
  BytesView line;     // without its end
  size_t size = 0;    // of the line with its end
  int64_t number = 0;  // what it says, for types that count
};

bool is_bulk(char type) { return type == '$' || type == '='; }
bool is_list(char type) { return type == '*' || type == '%' || type == '~' || type == '>'; }

Error corrupt(std::string what) { return make_error(Code::Corrupt, "no RESP reply: " + std::move(what)); }

// nullopt: the line has not ended yet.
Result<std::optional<Head>> head_of(BytesView bytes) {
  if (bytes.empty()) return std::nullopt;
  Head head{.type = bytes[0]};
  if (BytesView("+-:$=*%~>_#,").find(head.type) == BytesView::npos) return corrupt("it begins with an unknown type");
  size_t end = bytes.substr(0, kLineBytesMax).find("\r\n");
  if (end == BytesView::npos && bytes.size() >= kLineBytesMax) return corrupt("a line does not end");
  if (end == BytesView::npos) return std::nullopt;
  head.line = bytes.substr(1, end - 1);
  head.size = end + 2;
  if (!is_bulk(head.type) && !is_list(head.type) && head.type != ':') return head;
  auto [stop, failed] = std::from_chars(head.line.data(), head.line.data() + head.line.size(), head.number);
  bool is_whole = failed == std::errc() && stop == head.line.data() + head.line.size();
  if (!is_whole || (head.type != ':' && head.number < -1)) return corrupt("a length is no number");
  return head;
}

int64_t items_of(const Head& head) { return head.type == '%' ? head.number * 2 : head.number; }

class Measure {
 public:
  Measure(BytesView bytes, const RespReplyBounds& bounds) : bytes_(bytes), bounds_(bounds) {}
  // False: more bytes are missing.
  Result<bool> skip(int depth) {
    if (depth > bounds_.depth_max) return corrupt("it is nested too deeply");
    std::optional<Head> head = TRY(head_of(bytes_.substr(at_)));
    if (!head) return false;
    at_ += head->size;
    if (is_bulk(head->type) && head->number >= 0) return skip_bulk(static_cast<size_t>(head->number));
    if (!is_list(head->type) || head->number <= 0) return true;
    if (static_cast<uint64_t>(head->number) > bounds_.items_max) return corrupt("it has too many items");
    items_ += static_cast<size_t>(items_of(*head));
    if (items_ > bounds_.items_max) return corrupt("it has too many items");
    for (int64_t i = 0; i < items_of(*head); i++) {
      bool is_there = TRY(skip(depth + 1));
      if (!is_there) return false;
    }
    return true;
  }
  size_t size() const { return at_; }

 private:
  Result<bool> skip_bulk(size_t size) {
    if (size > bounds_.bulk_bytes_max) return corrupt("a value is too large");
    if (bytes_.size() - at_ < size + 2) return false;
    if (bytes_.substr(at_ + size, 2) != "\r\n") return corrupt("a value has another length");
    at_ += size + 2;
    return true;
  }

  BytesView bytes_;
  const RespReplyBounds& bounds_;
  size_t at_ = 0, items_ = 0;
};

// Of bytes that Measure has walked over.
RespReply build(BytesView& bytes) {
  using Kind = RespReply::Kind;
  const Head head = *head_of(bytes).value();
  bytes.remove_prefix(head.size);
  RespReply reply;
  if (head.type == '_' || ((is_bulk(head.type) || is_list(head.type)) && head.number < 0)) return reply;
  if (is_bulk(head.type)) {
    auto size = static_cast<size_t>(head.number);
    reply.kind = Kind::Bulk;
    // A verbatim string says first what it is: "txt:".
    reply.text = bytes.substr(0, size).substr(head.type == '=' && size >= 4 ? 4 : 0);
    bytes.remove_prefix(size + 2);
  } else if (is_list(head.type)) {
    reply.kind = Kind::Array;
    for (int64_t i = 0; i < items_of(head); i++) reply.items.push_back(build(bytes));
  } else if (head.type == ':') {
    reply.kind = Kind::Integer;
    reply.integer = head.number;
  } else {
    reply.kind = head.type == '-' ? Kind::Error : Kind::Simple;
    reply.text = head.line;
  }
  return reply;
}

}  // namespace

Result<std::optional<size_t>> resp_reply_size(BytesView bytes, const RespReplyBounds& bounds) {
  Measure measure(bytes, bounds);
  bool is_whole = TRY(measure.skip(0));
  return is_whole ? std::optional(measure.size()) : std::nullopt;
}

RespReply parse_resp_reply(BytesView bytes) { return build(bytes); }

}  // namespace mcloud::wire
