#include "cli/output.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

using namespace mcloud;
using namespace mcloud::cli;

namespace {

// Both streams into memory.
struct Captured {
  char* out_text = nullptr;
  char* err_text = nullptr;
  size_t out_size = 0, err_size = 0;
  FILE* out = open_memstream(&out_text, &out_size);
  FILE* err = open_memstream(&err_text, &err_size);
  ~Captured() {
    fclose(out);
    fclose(err);
    free(out_text);
    free(err_text);
  }
};

}  // namespace

TEST_CASE("a table has aligned columns and no trailing blanks") {
  Table table{{"NODE", "STATE", ""},
              {{{"n1", Tone::Strong}, {"online", Tone::Good}, ""}, {"north-of-all", "fenced", "it is gone"}}};
  CHECK_EQ(render(table, false),
           "NODE          STATE\n"
           "n1            online\n"
           "north-of-all  fenced  it is gone\n");
}

TEST_CASE("columns align by letters, not by bytes, and colour takes no width") {
  Table table{{"A", "B"}, {{"\xc3\xa4\xc3\xb6", "x"}, {"ab", "y"}}};
  CHECK_EQ(render(table, false), "A   B\n\xc3\xa4\xc3\xb6  x\nab  y\n");
  Table coloured{{"A", "B"}, {{{"ab", Tone::Bad}, "y"}}};
  CHECK_EQ(render(coloured, true), "\x1b[1mA\x1b[0m   \x1b[1mB\x1b[0m\n\x1b[31mab\x1b[0m  y\n");
}

TEST_CASE("columns that do not fit go on indented lines, and nothing is lost") {
  Table table{{"NODE", "STATE", "LABELS", ""}, {{"n1", "online", "", "gone"}, {"n2", "fenced", "ssd=yes", ""}}};
  CHECK_EQ(render(table, false, 20),
           "NODE  STATE\n"
           "    LABELS\n"
           "n1    online\n"
           "             gone\n"
           "n2    fenced\n"
           "    ssd=yes\n");
  CHECK_EQ(render(table, false, 0), render(table, false, 80));
}

TEST_CASE("a stranger's text cannot move the cursor") {
  CHECK_EQ(printable("a\x1b[2Jb\nc\x7f"), "a?[2Jb?c?");
  CHECK_EQ(printable("\xc2\x9b"
                     "31m"),
           "?31m");
  CHECK_EQ(printable("caf\xc3\xa9"), "caf\xc3\xa9");
}

TEST_CASE("ages are for people") {
  CHECK_EQ(format_age(0), "0 s");
  CHECK_EQ(format_age(119'999), "119 s");
  CHECK_EQ(format_age(120'000), "2 min");
  CHECK_EQ(format_age(3ull * 3'600'000), "3 h");
  CHECK_EQ(format_age(50ull * 3'600'000), "2 d");
}

TEST_CASE("with --json the document alone is on standard output") {
  Captured captured;
  Output output(captured.out, captured.err, true);
  output.line("for people");
  output.note("for people");
  output.document({{"a", 1}});
  CHECK_EQ(std::string(captured.out_text), "{\n  \"a\": 1\n}\n");
  output.error(make_error(Code::NotFound, "no such thing"));  // an answer is there already
  CHECK_EQ(std::string(captured.out_text), "{\n  \"a\": 1\n}\n");
  fflush(captured.err);
  CHECK_EQ(captured.err_size, 0);
}

TEST_CASE("an error is one line, or one JSON document") {
  Captured people, script;
  Output(people.out, people.err, false).error(make_error(Code::NotFound, "there is no node n9"));
  fflush(people.out);
  CHECK_EQ(std::string(people.err_text), "mcloud: there is no node n9\n");
  Captured hostile;
  Output(hostile.out, hostile.err, false).error(make_error(Code::TimedOut, "web-0: \x1b[2Jgone\nmcloud: all is well"));
  fflush(hostile.err);
  CHECK_EQ(std::string(hostile.err_text), "mcloud: web-0: ?[2Jgone?mcloud: all is well\n");
  CHECK_EQ(people.out_size, 0);
  Output(script.out, script.err, true).error(make_error(Code::NotFound, "there is no node n9"));
  auto json = nlohmann::json::parse(script.out_text);
  CHECK_EQ(json["error"]["code"], "not-found");
  CHECK_EQ(json["error"]["message"], "there is no node n9");
}

TEST_CASE("live lines stay off everything that is no terminal") {
  Captured captured;
  Output output(captured.out, captured.err, false);
  output.live("waiting");
  output.line("done");
  fflush(captured.err);
  CHECK_EQ(captured.err_size, 0);
  CHECK_EQ(std::string(captured.out_text), "done\n");
}
