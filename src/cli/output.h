// What people and scripts see: tables and lines on a terminal, one JSON document with --json.
//
// Answers go to standard output, progress and errors to standard error. Colour only on a terminal, never with
// NO_COLOR set or TERM=dumb. With --json nothing but the document is on standard output.
#pragma once

#include <cstdint>
#include <cstdio>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::cli {

enum class Tone { Plain, Good, Warning, Bad, Faint, Strong };

struct Cell {
  std::string text;
  Tone tone = Tone::Plain;
  Cell(std::string cell_text, Tone cell_tone = Tone::Plain) : text(std::move(cell_text)), tone(cell_tone) {}
  Cell(const char* cell_text) : text(cell_text) {}
};

struct Table {
  std::vector<std::string> heads;
  std::vector<std::vector<Cell>> rows;
};

// Columns two blanks apart, no trailing blanks. Control characters (a node's message is a stranger's) become '?'.
// `width` is how many letters fit beside each other (0: any number): columns that do not fit go on indented lines
// below.
std::string render(const Table& table, bool colour, size_t width = 0);
std::string paint(std::string_view text, Tone tone, bool colour);
std::string printable(std::string_view text);

// "3 s", "2 min", "5 h", "12 d": how long ago, for people.
std::string format_age(uint64_t ms);

class Output {
 public:
  Output(FILE* out, FILE* err, bool json);
  bool is_json() const { return json_; }
  bool colour() const { return colour_; }
  bool is_terminal() const { return terminal_; }  // standard error is one: live lines are welcome

  // Nothing of these three with --json.
  void line(const std::string& text);
  void table(const Table& table);
  void note(const std::string& text);  // to standard error

  // A new page of what is shown again and again: a terminal is cleared, elsewhere an empty line parts them.
  void page();
  // Rewrites one line on a terminal's standard error; nothing elsewhere. "" takes it away.
  void live(const std::string& text);
  // The answer with --json; nothing otherwise.
  void document(const nlohmann::ordered_json& json);
  // One JSON document per line with --json (streams); nothing otherwise.
  void document_line(const nlohmann::ordered_json& json);
  // One line; with --json {"error":{"code":...,"message":...}} on standard output, unless a document is there already.
  void error(const Error& error);

 private:
  FILE* out_;
  FILE* err_;
  bool json_;
  bool colour_;   // of standard output
  size_t width_;  // of the terminal there; 0 = none
  bool terminal_;
  bool paged_ = false;     // a page was begun
  bool live_ = false;      // a live line is on the screen
  bool answered_ = false;  // a document was printed
};

}  // namespace mcloud::cli
