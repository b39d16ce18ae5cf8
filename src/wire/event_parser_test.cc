#include "wire/event_parser.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::wire;

namespace {

// All events of `text`, fed `step` bytes at a time, as "name|data|id" lines.
std::string events(std::string_view text, size_t step) {
  EventParser parser(1000);
  std::string out;
  while (!text.empty()) {
    std::string_view part = text.substr(0, step);
    text.remove_prefix(part.size());
    CHECK(parser.feed(part).has_value());
    while (auto event = parser.take()) out += event->name + "|" + event->data + "|" + event->id + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("events are read as the specification says, however they are cut") {
  for (size_t step : {1ul, 2ul, 3ul, 7ul, 1000ul}) {
    CAPTURE(step);
    CHECK_EQ(events("data: a\n\n", step), "message|a|\n");
    CHECK_EQ(events("event: block\nid: 5\ndata: a\ndata:b\ndata:  c\n\ndata: d\n\n", step),
             "block|a\nb\n c|5\nmessage|d|5\n");
    CHECK_EQ(events("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", step), "message|a|\nmessage|b|\nmessage|c|\n");
    CHECK_EQ(events(": comment\n\n\nevent: x\n\ndata\n\n", step), "message||\n");
    CHECK_EQ(events("\xef\xbb\xbf"
                    "data: a\n\n",
                    step),
             "message|a|\n");
    CHECK_EQ(events("unknown: x\nretry: 5\ndata:a:b\n\n", step), "message|a:b|\n");
    CHECK_EQ(events("data: unfinished\n", step), "");
  }
}

TEST_CASE("an event without end is refused, in one line or in many") {
  EventParser one_line(1000);
  CHECK_EQ(one_line.feed("data: " + std::string(1000, 'x')).error().code, Code::Exhausted);
  EventParser many_lines(1000);
  Status status;
  for (int i = 0; i < 1000 && status.has_value(); ++i) status = many_lines.feed("data: x\n");
  CHECK_FALSE(status.has_value());
}
