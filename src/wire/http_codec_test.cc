#include "wire/http_codec.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::wire;

namespace {

struct Outcome {
  int refused = 0;  // status
  bool complete = false;
  HttpRequest request;
  size_t left = 0;
};

// Bytes that come `step` at a time.
Outcome parse(std::string_view text, size_t step = SIZE_MAX, const HttpBounds& bounds = {}) {
  RequestParser parser(bounds);
  Outcome outcome;
  std::string unparsed;
  while (!parser.is_complete() && !text.empty()) {
    std::string_view part = text.substr(0, step);
    text.remove_prefix(part.size());
    unparsed += part;
    while (!parser.is_complete()) {
      auto taken = parser.feed(unparsed);
      if (!taken.has_value()) {
        outcome.refused = taken.error().status;
        return outcome;
      }
      unparsed.erase(0, *taken);
      if (*taken == 0) break;
    }
  }
  outcome.complete = parser.is_complete();
  outcome.left = unparsed.size() + text.size();
  if (outcome.complete) outcome.request = parser.take();
  return outcome;
}

}  // namespace

TEST_CASE("a request is the same however its bytes are cut") {
  for (size_t step : {1ul, 2ul, 5ul, 1000ul}) {
    CAPTURE(step);
    Outcome outcome =
        parse("PUT /a?b=c HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two:  2 \r\nContent-Length: 3\r\n\r\nabc", step);
    REQUIRE(outcome.complete);
    CHECK_EQ(outcome.request.method, "PUT");
    CHECK_EQ(outcome.request.target, "/a?b=c");
    CHECK_EQ(outcome.request.headers.at("x-two"), "1, 2");
    CHECK_EQ(outcome.request.body, "abc");
    outcome = parse(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", step);
    REQUIRE(outcome.complete);
    CHECK_EQ(outcome.request.body, "abcde");
  }
}

TEST_CASE("a request ends where the next begins") {
  Outcome outcome = parse("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK_EQ(outcome.request.target, "/1");
  CHECK_EQ(outcome.left, 28u);
}

TEST_CASE("requests that two servers could read differently are refused") {
  auto refused = [](const std::string& head) {
    return parse("POST / HTTP/1.1\r\nHost: h\r\n" + head + "\r\n5\r\nhello\r\n0\r\n\r\n").refused;
  };
  CHECK_EQ(refused("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  CHECK_EQ(refused("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
  CHECK_EQ(refused("Content-Length: 5\r\nContent-Length: 6\r\n"), 400);
  CHECK_EQ(refused("Content-Length: +5\r\n"), 400);
  CHECK_EQ(refused("Content-Length: 5 5\r\n"), 400);
  CHECK_EQ(refused("Content-Length: 99999999999999999999999\r\n"), 400);
  CHECK_EQ(refused("X Y: 1\r\n"), 400);
  CHECK_EQ(refused("X : 1\r\n"), 400);
  CHECK_EQ(refused("Host: other\r\n"), 400);
  CHECK_EQ(parse("GET / HTTP/1.1\r\n\r\n").refused, 400);
  CHECK_EQ(parse("GET / HTTP/2.0\r\nHost: h\r\n\r\n").refused, 400);
  CHECK_EQ(parse("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n").refused, 400);
  CHECK_EQ(parse("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n").refused, 400);
  CHECK_EQ(parse("\x16\x03\x01\x02").refused, 400);
  CHECK(parse("GET / HTTP/1.0\r\n\r\n").complete);
}

TEST_CASE("heads, bodies and the heads of chunks are bounded") {
  HttpBounds bounds{200, 10};
  const std::string start = "POST / HTTP/1.1\r\nHost: h\r\n";
  CHECK_EQ(parse(start + "X: " + std::string(200, 'x') + "\r\n\r\n", 10, bounds).refused, 431);
  CHECK_EQ(parse(start + "Content-Length: 11\r\n\r\n", 10, bounds).refused, 413);
  CHECK(parse(start + "Content-Length: 10\r\n\r\n0123456789", 10, bounds).complete);
  const std::string chunked = start + "Transfer-Encoding: chunked\r\n\r\n";
  CHECK_EQ(parse(chunked + "b\r\n01234567890\r\n0\r\n\r\n", 10, bounds).refused, 413);
  CHECK_EQ(parse(chunked + "6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n", 10, bounds).refused, 413);
  CHECK_EQ(parse(chunked + "1;" + std::string(500, 'x'), 10, bounds).refused, 400);
}

TEST_CASE("a client that waits for leave to send its body is seen, once") {
  RequestParser parser({});
  REQUIRE(parser.feed("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").has_value());
  CHECK(parser.take_wants_continue());
  CHECK_FALSE(parser.take_wants_continue());
}

TEST_CASE("a header's value cannot begin another header") {
  HttpResponse response;
  response.headers["location"] = "/x\r\nset-cookie: a=b";
  response.headers["bad name"] = "x";
  response.headers["content-length"] = "7";
  CHECK_EQ(response_head(response, 2, AfterResponse::Close),
           "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlocation: /x  set-cookie: a=b\r\ncontent-length: "
           "2\r\nconnection: close\r\n\r\n");
}

TEST_CASE("requests that cannot be written are refused before they are sent") {
  Endpoint endpoint = Endpoint::parse("http://h:81/p").value();
  HttpRequest request;
  request.target = "/a";
  CHECK_EQ(request_head(request, endpoint).value(), "GET /p/a HTTP/1.1\r\nhost: h:81\r\n\r\n");
  request.target = "/a b";
  CHECK_EQ(request_head(request, endpoint).error().code, Code::Invalid);
  request.target = "/a\r\nx: y";
  CHECK_FALSE(request_head(request, endpoint).has_value());
  request.target = "/";
  request.method = "GET /x HTTP/1.1\r\n";
  CHECK_FALSE(request_head(request, endpoint).has_value());
}

TEST_CASE("an answer is the same however its bytes are cut, and interim ones are skipped") {
  const std::string text =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (size_t step : {1ul, 4ul, 1000ul}) {
    ResponseParser parser({}, true);
    std::string unparsed;
    for (size_t i = 0; i < text.size(); i += step) {
      unparsed += text.substr(i, step);
      for (size_t taken = 1; taken > 0 && !parser.is_complete();) {
        taken = parser.feed(unparsed).value();
        unparsed.erase(0, taken);
      }
    }
    REQUIRE(parser.is_complete());
    CHECK(parser.keeps_alive());
    CHECK_EQ(parser.head().status, 201);
    CHECK_EQ(parser.head().content_type, "text/plain");
    CHECK_EQ(parser.take_body(), "abc");
  }
}

TEST_CASE("an answer that ends early is not taken for a whole one") {
  ResponseParser parser({}, true);
  REQUIRE(parser.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc").has_value());
  CHECK_EQ(parser.finish().error().code, Code::Unavailable);
  ResponseParser to_the_end({}, true);
  REQUIRE(to_the_end.feed("HTTP/1.1 200 OK\r\n\r\n").has_value());
  REQUIRE(to_the_end.feed("abc").has_value());
  CHECK(to_the_end.finish().has_value());
  CHECK_EQ(to_the_end.take_body(), "abc");
  CHECK_EQ(ResponseParser({}, true).finish().error().code, Code::Unavailable);
  CHECK_EQ(ResponseParser({}, true).feed("SSH-2.0-x\r\n").error().code, Code::Corrupt);
}
