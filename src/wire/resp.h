// RESP, the protocol of Redis and 0-db, between bytes and values, incrementally and without a socket: requests in,
// replies out. Spec: the Redis protocol pages, RESP2 and RESP3. This is what the fuzzer feeds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace mcloud::wire {

struct RespBounds {
  size_t arguments_max = 1024;
  size_t argument_bytes_max = 8 << 20;
  size_t request_bytes_max = 64 << 20;
  bool allows_inline = false;  // a line of words is a request too
};

// Why bytes are no request. Where the next one would begin is unknown: answer and close.
enum class RespFault : uint8_t {
  None,
  NotAnArray,        // the first byte is not '*'
  TooManyArguments,  // or no number
  NotABulk,          // an element does not begin with '$'
  BulkTooBig,
  BadBulkLength,  // no number, negative, or no line end behind the bytes
  RequestTooBig,
  BadInline,  // a line without an end, or quotes that do not close
};

// One request at a time. Present the bytes from where the request begins, again and again with more behind them: what
// was looked at is not looked at twice. After Complete or Faulty, reset().
class RespRequestParser {
 public:
  enum class Step : uint8_t { NeedMore, Complete, Faulty };

  explicit RespRequestParser(const RespBounds& bounds) : bounds_(bounds) {}

  Step parse(BytesView bytes);

  // Complete: how many bytes the request was. No arguments: an empty array or line.
  size_t size() const { return offset_; }
  // Complete: views into the bytes of the last parse() (an inline request's: into this object).
  const std::vector<std::string_view>& arguments() const { return arguments_; }
  // Faulty.
  RespFault fault() const { return fault_; }
  // NeedMore: at least so many bytes more are missing. For reading a large value in one go.
  size_t missing() const { return missing_; }
  // NeedMore: a request has begun.
  bool is_inside() const { return state_ != State::Start; }

  size_t memory() const { return spans_.capacity() * sizeof(Span) + arguments_.capacity() * sizeof(std::string_view); }
  void reset();
  void set_bounds(const RespBounds& bounds) { bounds_ = bounds; }

 private:
  enum class State : uint8_t { Start, Header, Bulk };
  enum class Line : uint8_t { NeedMore, Number, Bad };
  struct Span {
    size_t begin, size;
  };

  Step refuse(RespFault fault);
  Step need(size_t missing);
  Step complete(BytesView bytes);
  Step parse_start(BytesView bytes);
  Step parse_inline(BytesView bytes);
  Step parse_elements(BytesView bytes);
  Line read_number(BytesView bytes, int64_t& number);
  bool split_words(BytesView line);

  RespBounds bounds_;
  State state_ = State::Start;
  RespFault fault_ = RespFault::None;
  size_t offset_ = 0;  // of the first byte that was not understood yet
  size_t missing_ = 0;
  size_t wanted_ = 0;  // arguments
  size_t bulk_size_ = 0;
  size_t bulk_bytes_ = 0;  // of all arguments so far
  std::vector<Span> spans_;
  std::vector<std::string_view> arguments_;
  std::vector<std::string> words_;
};

enum class RespVersion : uint8_t { Two = 2, Three = 3 };

// Appends replies to borrowed bytes. Line ends in simple strings and errors become blanks.
class RespWriter {
 public:
  RespWriter(Bytes& out, RespVersion version) : out_(out), version_(version) {}

  void simple(std::string_view text) { line('+', text); }
  void error(std::string_view text) { line('-', text); }  // begins with the error's word: "ERR ..."
  void integer(int64_t number) { number_line(':', number); }
  void bulk(BytesView bytes);
  void null();        // $-1 or _
  void null_array();  // *-1 or _
  void array(size_t count) { number_line('*', static_cast<int64_t>(count)); }
  void map(size_t pairs);            // RESP2: an array of twice as many
  void push(size_t count);           // RESP2: an array
  void boolean(bool value);          // RESP2: 1 or 0
  void text(std::string_view text);  // for people; RESP3: verbatim

  // The size of a bulk string is not known before its bytes are there: begin, append to bytes(), end. `guess`, the
  // size expected, saves a move when it has as many digits.
  size_t begin_bulk(size_t guess);
  void end_bulk(size_t begin);

  Bytes& bytes() { return out_; }
  RespVersion version() const { return version_; }

 private:
  void line(char kind, std::string_view text);
  void number_line(char kind, int64_t number);

  Bytes& out_;
  RespVersion version_;
  size_t begun_digits_ = 0;
};

// A request as clients send it: an array of bulk strings.
Bytes resp_request(const std::vector<std::string_view>& arguments);

}  // namespace mcloud::wire
