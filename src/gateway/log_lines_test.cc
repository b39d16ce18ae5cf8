#include "gateway/log_lines.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace mcloud::gateway {
namespace {

using Lines = std::vector<std::string>;

// Fed in pieces, as they come from a pipe; what is found is good until the next piece only.
Lines fed(LogLines& reader, std::string_view bytes, size_t piece) {
  Lines out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    std::vector<std::string_view> found;
    reader.feed(bytes.substr(0, piece), found);
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

TEST_CASE("lines come whole, however they are cut") {
  for (size_t piece : {1, 2, 3, 5, 100}) {
    LogLines reader;
    CHECK(fed(reader, "b x\nb {\"a\":1}\n\nrest", piece) == Lines{"b x", "b {\"a\":1}", ""});
    CHECK(fed(reader, "less\nlast\n", piece) == Lines{"restless", "last"});
  }
}

TEST_CASE("a line that is too long is dropped, the next one is not") {
  for (size_t piece : {1'000, 19'000, 30'000}) {
    LogLines reader;
    CHECK(fed(reader, std::string(20'000, 'x'), piece).empty());
    CHECK(fed(reader, "end\nb {}\n", piece) == Lines{"b {}"});
    CHECK(fed(reader, std::string(20'000, 'x') + "\nb {}\n", piece) == Lines{"b {}"});
  }
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
