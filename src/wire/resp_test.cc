#include "wire/resp.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::wire;

namespace {

using Step = RespRequestParser::Step;
using Words = std::vector<std::string>;

struct Seen {
  std::vector<Words> requests;
  RespFault fault = RespFault::None;
};

// Bytes that come `step` at a time.
Seen parse(std::string_view text, size_t step, const RespBounds& bounds = {}) {
  Seen seen;
  RespRequestParser parser(bounds);
  size_t begin = 0;
  for (size_t end = 0; end < text.size();) {
    end = std::min(end + step, text.size());
    Step outcome;
    while ((outcome = parser.parse(text.substr(begin, end - begin))) == Step::Complete) {
      seen.requests.emplace_back(parser.arguments().begin(), parser.arguments().end());
      begin += parser.size();
      parser.reset();
    }
    if (outcome == Step::Faulty) {
      seen.fault = parser.fault();
      return seen;
    }
  }
  return seen;
}

RespFault fault_of(std::string_view text, const RespBounds& bounds = {}) {
  RespFault fault = parse(text, 1000, bounds).fault;
  CHECK(parse(text, 1, bounds).fault == fault);
  return fault;
}

Bytes written(RespVersion version, void (*write)(RespWriter&)) {
  Bytes out;
  RespWriter writer(out, version);
  write(writer);
  return out;
}

}  // namespace

TEST_CASE("requests are the same however their bytes are cut") {
  std::string text = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
  for (size_t step = 1; step <= text.size(); step++) {
    CAPTURE(step);
    Seen seen = parse(text, step);
    REQUIRE(seen.fault == RespFault::None);
    REQUIRE_EQ(seen.requests.size(), 3u);
    CHECK(seen.requests[0] == Words{"SET", "k", "a\r\nb"});
    CHECK(seen.requests[1] == Words{"PING"});
    CHECK(seen.requests[2] == Words{"GET", ""});
  }
}

TEST_CASE("a reader of a large value is told how much is missing") {
  RespRequestParser parser({});
  CHECK(parser.parse("*2\r\n$3\r\nGET\r\n$1000\r\nabc") == Step::NeedMore);
  CHECK_EQ(parser.missing(), 999u);
  CHECK(parser.is_inside());
}

TEST_CASE("an empty array is a request without arguments") {
  CHECK(parse("*0\r\n", 1).requests == std::vector<Words>{{}});
  CHECK(parse("*-1\r\n", 1).requests == std::vector<Words>{{}});
}

TEST_CASE("what is no request is refused with its fault") {
  CHECK(fault_of("+1\r\n") == RespFault::NotAnArray);
  CHECK(fault_of("PING\r\n") == RespFault::NotAnArray);
  CHECK(fault_of("*x\r\n") == RespFault::TooManyArguments);
  CHECK(fault_of("*1x\r\n") == RespFault::TooManyArguments);
  CHECK(fault_of("*1025\r\n") == RespFault::TooManyArguments);
  CHECK(fault_of("*99999999999999999999999\r\n") == RespFault::TooManyArguments);
  CHECK(fault_of("*" + std::string(100, '0') + "1\r\n") == RespFault::TooManyArguments);
  CHECK(fault_of("*1\r\n*1\r\n$1\r\nX\r\n") == RespFault::NotABulk);
  CHECK(fault_of("*1\r\n$x\r\n") == RespFault::BadBulkLength);
  CHECK(fault_of("*1\r\n$-1\r\n") == RespFault::BadBulkLength);
  CHECK(fault_of("*1\r\n$4\nPING\r\n") == RespFault::BadBulkLength);
  CHECK(fault_of("*1\r\n$4\r\nPING!!") == RespFault::BadBulkLength);
  CHECK(fault_of("*1\r\n$8388609\r\n") == RespFault::BulkTooBig);
  CHECK(fault_of("*2\r\n$6\r\nabcdef\r\n$6\r\n", {8, 8, 10, false}) == RespFault::RequestTooBig);
}

TEST_CASE("a value of exactly the bound is accepted") {
  std::string value(8 << 20, 'v');
  Seen seen = parse("*1\r\n$8388608\r\n" + value + "\r\n", 1 << 20);
  REQUIRE_EQ(seen.requests.size(), 1u);
  CHECK(seen.requests[0][0] == value);
}

TEST_CASE("a line of words is a request where inline requests are allowed") {
  RespBounds bounds{.allows_inline = true};
  CHECK(parse("PING\r\n", 1, bounds).requests == std::vector<Words>{{"PING"}});
  CHECK(parse("set  k 'a b'\n\r\nget \"\\x41\\n\\\"\"\r\n", 3, bounds).requests ==
        std::vector<Words>{{"set", "k", "a b"}, {}, {"get", "A\n\""}});
  CHECK(fault_of("get \"k\r\n", bounds) == RespFault::BadInline);
  CHECK(fault_of("get \"k\"x\r\n", bounds) == RespFault::BadInline);
  CHECK(fault_of(std::string(70'000, 'x'), bounds) == RespFault::BadInline);
}

TEST_CASE("replies of both versions are written as the specification says") {
  auto all = [](RespWriter& writer) {
    writer.simple("O\r\nK");
    writer.error("ERR no");
    writer.integer(-5);
    writer.bulk("a\r\nb");
    writer.null();
    writer.null_array();
    writer.array(2);
    writer.map(1);
    writer.push(3);
    writer.boolean(true);
    writer.text("hi");
  };
  CHECK_EQ(written(RespVersion::Two, all),
           "+O  K\r\n-ERR no\r\n:-5\r\n$4\r\na\r\nb\r\n$-1\r\n*-1\r\n*2\r\n*2\r\n*3\r\n:1\r\n$2\r\nhi\r\n");
  CHECK_EQ(written(RespVersion::Three, all),
           "+O  K\r\n-ERR no\r\n:-5\r\n$4\r\na\r\nb\r\n_\r\n_\r\n*2\r\n%1\r\n>3\r\n#t\r\n=6\r\ntxt:hi\r\n");
}

TEST_CASE("a bulk string whose size was guessed wrong is still right") {
  for (size_t guess : {0ul, 5ul, 10ul, 12345ul}) {
    for (size_t size : {0ul, 9ul, 10ul, 1000ul}) {
      Bytes out = "before";
      RespWriter writer(out, RespVersion::Two);
      size_t begin = writer.begin_bulk(guess);
      writer.bytes().append(size, 'x');
      writer.end_bulk(begin);
      CHECK_EQ(out, "before$" + std::to_string(size) + "\r\n" + std::string(size, 'x') + "\r\n");
    }
  }
}
