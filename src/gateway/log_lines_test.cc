#include "gateway/log_lines.h"

#include <doctest/doctest.h>

namespace mcloud::gateway {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("lines come whole, however they are cut") {
  LogLines reader;
  Lines lines;
  for (char c : std::string("b x\nb {\"a\":1}\n\nrest")) reader.feed(std::string_view(&c, 1), lines);
  CHECK(lines == Lines{"b x", "b {\"a\":1}", ""});
}

TEST_CASE("a line that is too long is dropped, the next one is not") {
  LogLines reader;
  Lines lines;
  for (int i = 0; i < 20; ++i) reader.feed(std::string(1'000, 'x'), lines);
  reader.feed("end\nb {}\n", lines);
  CHECK(lines == Lines{"b {}"});
}

TEST_CASE("a message is a back end and its text") {
  CHECK(cut_message("b {\"a\": 1}").backend == "b");
  CHECK(cut_message("b {\"a\": 1}").text == "{\"a\": 1}");
  CHECK(cut_message("b").text == "");
}

std::string log_line(uint64_t time_ns, std::string_view text) {
  std::string out;
  append_line(out, log_head(time_ns), text);
  return out;
}

TEST_CASE("a line of a log is one line of JSON, whatever is in it") {
  CHECK(log_line(1'700'000'000'000'000'001, "{a\nb\x01}") == "2023-11-14T22:13:20.000000001Z stdout F {a?b?}\n");
  CHECK(log_line(0, "{\"uri\":\"\\") == "1970-01-01T00:00:00.000000000Z stdout F {\"cut\":\"{\\\"uri\\\":\\\"\\\\\"}\n");
}

}  // namespace
}  // namespace mcloud::gateway
