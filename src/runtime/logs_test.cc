#include "runtime/logs.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>

#include "io/file.h"

using namespace mcloud;
using namespace mcloud::runtime;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/mcloud-logs-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { CHECK(io::remove_tree(path).has_value()); }
  std::string log() const { return path + "/log"; }
  void append(const std::string& text) const {
    FILE* file = fopen(log().c_str(), "a");
    REQUIRE(file != nullptr);
    fwrite(text.data(), 1, text.size(), file);
    fclose(file);
  }
  std::string path;
};

std::string line(const std::string& text) { return "2024-05-01T10:00:00.000000001+02:00 stdout F " + text + "\n"; }

std::string joined(const std::vector<LogLine>& lines) {
  std::string out;
  for (const LogLine& one : lines) out += one.text + "|";
  return out;
}

}  // namespace

TEST_CASE("a log line has its time, stream and text") {
  LogLine parsed = parse_log_line("2024-05-01T10:00:00.123456789+02:00 stderr P some text ").value();
  CHECK_EQ(parsed.time_ns, 1714550400'123456789ull);
  CHECK(parsed.is_error);
  CHECK_FALSE(parsed.is_whole);
  CHECK_EQ(parsed.text, "some text ");
  CHECK_EQ(parse_log_line("1970-01-01T00:00:01.000000000Z stdout F ").value().time_ns, 1'000'000'000);
  CHECK_EQ(parse_log_line("2024-05-01T10:00:00.000000000-02:00 stdout F x").value().time_ns, 1714564800'000000000ull);
}

TEST_CASE("what is no log line is refused") {
  for (const char* text : {"", "hello", "2024-05-01T10:00:00.123456789+02:00 stdin F x", "2024-05-01 10:00:00 stdout F x",
                           "2024-13-01T10:00:00.123456789Z stdout F x", "2024-05-01T10:00:00.1Z stdout F x",
                           "2024-05-01T10:00:00.123456789Z stdout Q x"}) {
    CHECK_FALSE(parse_log_line(text).has_value());
  }
}

TEST_CASE("a log is read on from a position, whole lines only") {
  Folder folder;
  LogReader reader(folder.log(), {});
  CHECK(reader.read(10).value().empty());
  folder.append(line("one") + "garbage\n" + line("two") + line("three").substr(0, 20));
  CHECK_EQ(joined(reader.read(1).value()), "one|");
  LogPosition position = reader.position();
  CHECK_EQ(joined(reader.read(10).value()), "two|");
  folder.append(line("three").substr(20));
  CHECK_EQ(joined(reader.read(10).value()), "three|");
  CHECK(reader.read(10).value().empty());
  // Another reader, from where the first one was.
  LogReader again(folder.log(), position);
  CHECK_EQ(joined(again.read(10).value()), "two|three|");
}

TEST_CASE("a log that started afresh is finished before the new one is read") {
  Folder folder;
  LogReader reader(folder.log(), {});
  folder.append(line("one"));
  CHECK_EQ(joined(reader.read(10).value()), "one|");
  folder.append(line("two"));
  REQUIRE_EQ(rename(folder.log().c_str(), (folder.path + "/old").c_str()), 0);
  folder.append(line("three"));
  CHECK_EQ(joined(reader.read(10).value()), "two|");
  CHECK_EQ(joined(reader.read(10).value()), "three|");
  // A position in a file that is gone begins the new one.
  LogReader late(folder.log(), {1, 100});
  CHECK_EQ(joined(late.read(10).value()), "three|");
}

TEST_CASE("a log that was emptied is read from its start") {
  Folder folder;
  LogReader reader(folder.log(), {});
  folder.append(line("one") + line("two"));
  CHECK_EQ(joined(reader.read(10).value()), "one|two|");
  REQUIRE_EQ(truncate(folder.log().c_str(), 0), 0);
  folder.append(line("three"));
  CHECK_EQ(joined(reader.read(10).value()), "three|");
}

TEST_CASE("a reader takes no more than it was asked for") {
  Folder folder;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += line("number " + std::to_string(i));
  folder.append(text);
  LogReader reader(folder.log(), {});
  size_t count = 0;
  while (true) {
    std::vector<LogLine> lines = reader.read(1000, 4096).value();
    if (lines.empty()) break;
    CHECK(lines.size() <= 1000);
    CHECK(joined(lines).size() < 8192);
    CHECK_EQ(lines[0].text, "number " + std::to_string(count));
    count += lines.size();
  }
  CHECK_EQ(count, 20'000);
}

TEST_CASE("a line without end is skipped in bounded memory") {
  Folder folder;
  folder.append(std::string(3 << 20, 'x'));
  LogReader reader(folder.log(), {});
  CHECK(reader.read(10).value().empty());
  folder.append("\n" + line("after"));
  CHECK_EQ(joined(reader.read(10).value()), "after|");
}
