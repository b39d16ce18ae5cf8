#include "wire/resp.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace mcloud::wire {
namespace {

constexpr size_t kHeaderBytesMax = 32;        // "*", "$" and a number
constexpr size_t kInlineBytesMax = 64 << 10;  // as Redis
constexpr size_t kSpansKept = 64;
constexpr size_t kLargeBytes = 4096;

std::string_view digits_of(int64_t number, char (&buffer)[24]) {
  char* end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  return {buffer, static_cast<size_t>(end - buffer)};
}

size_t digit_count(size_t number) {
  size_t count = 1;
  for (; number >= 10; number /= 10) count++;
  return count;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\0' || c == '\v' || c == '\f'; }

// What follows a backslash between double quotes.
void unescape(BytesView line, size_t& i, std::string& word) {
  if (line[i] == 'x' && i + 2 < line.size() && hex_digit(line[i + 1]) >= 0 && hex_digit(line[i + 2]) >= 0) {
    word += static_cast<char>(hex_digit(line[i + 1]) * 16 + hex_digit(line[i + 2]));
    i += 2;
    return;
  }
  constexpr std::string_view kNames = "nrtba", kMeanings = "\n\r\t\b\a";
  size_t at = kNames.find(line[i]);
  word += at == std::string_view::npos ? line[i] : kMeanings[at];
}

}  // namespace

void RespRequestParser::reset() {
  state_ = State::Start;
  fault_ = RespFault::None;
  offset_ = missing_ = wanted_ = bulk_size_ = bulk_bytes_ = 0;
  spans_.clear();
  arguments_.clear();
  words_.clear();
  if (spans_.capacity() > kSpansKept) {  // one request with many arguments does not cost memory for ever
    spans_.shrink_to_fit();
    arguments_.shrink_to_fit();
  }
}

RespRequestParser::Step RespRequestParser::refuse(RespFault fault) {
  fault_ = fault;
  return Step::Faulty;
}

RespRequestParser::Step RespRequestParser::need(size_t missing) {
  missing_ = missing;
  return Step::NeedMore;
}

RespRequestParser::Step RespRequestParser::parse(BytesView bytes) {
  if (fault_ != RespFault::None) return Step::Faulty;
  if (state_ == State::Start) {
    if (bytes.empty()) return need(1);
    if (bytes[0] != '*') return bounds_.allows_inline ? parse_inline(bytes) : refuse(RespFault::NotAnArray);
    Step step = parse_start(bytes);
    if (step != Step::Complete || wanted_ == 0) return step;
  }
  return parse_elements(bytes);
}

// The number behind the kind byte at offset_, which is there. Moves offset_ behind the line when it is whole.
RespRequestParser::Line RespRequestParser::read_number(BytesView bytes, int64_t& number) {
  const char* begin = bytes.data() + offset_ + 1;
  const char* end = bytes.data() + bytes.size();
  const char* bound = end - begin > static_cast<ptrdiff_t>(kHeaderBytesMax) ? begin + kHeaderBytesMax : end;
  auto parsed = std::from_chars(begin, bound, number);
  if (parsed.ptr == bound) return bound == end ? (missing_ = 2, Line::NeedMore) : Line::Bad;
  if (parsed.ec != std::errc()) {
    bool sign_alone = parsed.ptr == begin && *begin == '-' && begin + 1 == bound;
    return sign_alone && bound == end ? (missing_ = 3, Line::NeedMore) : Line::Bad;
  }
  if (*parsed.ptr != '\r') return Line::Bad;
  if (parsed.ptr + 1 == end) return missing_ = 1, Line::NeedMore;
  if (parsed.ptr[1] != '\n') return Line::Bad;
  offset_ = static_cast<size_t>(parsed.ptr + 2 - bytes.data());
  return Line::Number;
}

// Complete here means: the head of the array is whole.
RespRequestParser::Step RespRequestParser::parse_start(BytesView bytes) {
  int64_t count = 0;
  switch (read_number(bytes, count)) {
    case Line::NeedMore: return Step::NeedMore;
    case Line::Bad: return refuse(RespFault::TooManyArguments);
    case Line::Number: break;
  }
  if (count > static_cast<int64_t>(bounds_.arguments_max)) return refuse(RespFault::TooManyArguments);
  wanted_ = count > 0 ? static_cast<size_t>(count) : 0;
  state_ = State::Header;
  return Step::Complete;
}

RespRequestParser::Step RespRequestParser::parse_elements(BytesView bytes) {
  while (spans_.size() < wanted_) {
    if (state_ == State::Header) {
      if (offset_ == bytes.size()) return need(1);
      if (bytes[offset_] != '$') return refuse(RespFault::NotABulk);
      int64_t size = 0;
      switch (read_number(bytes, size)) {
        case Line::NeedMore: return Step::NeedMore;
        case Line::Bad: return refuse(RespFault::BadBulkLength);
        case Line::Number: break;
      }
      if (size < 0) return refuse(RespFault::BadBulkLength);
      if (size > static_cast<int64_t>(bounds_.argument_bytes_max)) return refuse(RespFault::BulkTooBig);
      bulk_size_ = static_cast<size_t>(size);
      bulk_bytes_ += bulk_size_;
      if (bulk_bytes_ > bounds_.request_bytes_max) return refuse(RespFault::RequestTooBig);
      state_ = State::Bulk;
    }
    size_t there = bytes.size() - offset_;
    if (there < bulk_size_ + 2) return need(bulk_size_ + 2 - there);
    const char* end = bytes.data() + offset_ + bulk_size_;
    if (end[0] != '\r' || end[1] != '\n') return refuse(RespFault::BadBulkLength);
    spans_.push_back({offset_, bulk_size_});
    offset_ += bulk_size_ + 2;
    state_ = State::Header;
  }
  return complete(bytes);
}

RespRequestParser::Step RespRequestParser::complete(BytesView bytes) {
  for (const Span& span : spans_) arguments_.push_back(bytes.substr(span.begin, span.size));
  return Step::Complete;
}

RespRequestParser::Step RespRequestParser::parse_inline(BytesView bytes) {
  const void* found = std::memchr(bytes.data() + offset_, '\n', bytes.size() - offset_);
  if (found == nullptr) {
    offset_ = bytes.size();
    return offset_ > kInlineBytesMax ? refuse(RespFault::BadInline) : need(1);
  }
  size_t end = static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
  if (end > kInlineBytesMax || !split_words(bytes.substr(0, end))) return refuse(RespFault::BadInline);
  if (words_.size() > bounds_.arguments_max) return refuse(RespFault::TooManyArguments);
  offset_ = end + 1;
  for (const std::string& word : words_) arguments_.push_back(word);
  return Step::Complete;
}

// As Redis splits a line: blanks between words, "..." with escapes, '...' with \' only.
bool RespRequestParser::split_words(BytesView line) {
  for (size_t i = 0; i < line.size();) {
    if (is_blank(line[i])) {
      i++;
      continue;
    }
    std::string word;
    while (i < line.size() && !is_blank(line[i])) {
      char quote = line[i];
      if (quote != '"' && quote != '\'') {
        word += line[i++];
        continue;
      }
      for (i++; i < line.size() && line[i] != quote; i++) {
        if (line[i] == '\\' && i + 1 < line.size() && (quote == '"' || line[i + 1] == '\''))
          unescape(line, ++i, word);
        else
          word += line[i];
      }
      if (i == line.size()) return false;  // not closed
      i++;
      if (i < line.size() && !is_blank(line[i])) return false;  // a word goes on behind its quotes
    }
    words_.push_back(std::move(word));
  }
  return true;
}

void RespWriter::line(char kind, std::string_view text) {
  out_ += kind;
  size_t begin = out_.size();
  out_ += text;
  for (size_t i = begin; i < out_.size(); i++) {
    if (out_[i] == '\r' || out_[i] == '\n') out_[i] = ' ';
  }
  out_ += "\r\n";
}

void RespWriter::number_line(char kind, int64_t number) {
  char buffer[24];
  out_ += kind;
  out_ += digits_of(number, buffer);
  out_ += "\r\n";
}

void RespWriter::bulk(BytesView bytes) {
  number_line('$', static_cast<int64_t>(bytes.size()));
  out_ += bytes;
  out_ += "\r\n";
}

void RespWriter::null() { out_ += version_ == RespVersion::Two ? "$-1\r\n" : "_\r\n"; }
void RespWriter::null_array() { out_ += version_ == RespVersion::Two ? "*-1\r\n" : "_\r\n"; }

void RespWriter::map(size_t pairs) {
  if (version_ == RespVersion::Two) return array(2 * pairs);
  number_line('%', static_cast<int64_t>(pairs));
}

void RespWriter::push(size_t count) {
  number_line(version_ == RespVersion::Two ? '*' : '>', static_cast<int64_t>(count));
}

void RespWriter::boolean(bool value) {
  if (version_ == RespVersion::Two) return integer(value ? 1 : 0);
  out_ += value ? "#t\r\n" : "#f\r\n";
}

void RespWriter::text(std::string_view text) {
  if (version_ == RespVersion::Two) return bulk(text);
  number_line('=', static_cast<int64_t>(text.size() + 4));
  out_ += "txt:";
  out_ += text;
  out_ += "\r\n";
}

size_t RespWriter::begin_bulk(size_t guess) {
  size_t begin = out_.size();
  begun_digits_ = digit_count(guess);
  if (guess > kLargeBytes) out_.reserve(begin + guess + 32);  // or the line end behind the value would move it
  out_.append(1 + begun_digits_ + 2, '$');
  return begin;
}

void RespWriter::end_bulk(size_t begin) {
  size_t head = 1 + begun_digits_ + 2;
  size_t size = out_.size() - begin - head;
  char buffer[24];
  std::string_view digits = digits_of(static_cast<int64_t>(size), buffer);
  if (digits.size() > begun_digits_) out_.insert(begin + 1, digits.size() - begun_digits_, '0');
  if (digits.size() < begun_digits_) out_.erase(begin + 1, begun_digits_ - digits.size());
  std::memcpy(out_.data() + begin + 1, digits.data(), digits.size());
  std::memcpy(out_.data() + begin + 1 + digits.size(), "\r\n", 2);
  out_ += "\r\n";
}

Bytes resp_request(const std::vector<std::string_view>& arguments) {
  Bytes out;
  RespWriter writer(out, RespVersion::Two);
  writer.array(arguments.size());
  for (std::string_view argument : arguments) writer.bulk(argument);
  return out;
}

}  // namespace mcloud::wire
