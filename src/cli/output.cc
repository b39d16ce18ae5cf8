#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace mcloud::cli {
namespace {

size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char letter) { return (letter & 0xC0) != 0x80; }));
}

bool wants_colour(FILE* file) {
  const char* term = std::getenv("TERM");
  const char* refused = std::getenv("NO_COLOR");
  bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return isatty(fileno(file)) == 1 && !dumb && (refused == nullptr || *refused == 0);
}

void print(FILE* file, std::string_view text) {
  fwrite(text.data(), 1, text.size(), file);
  fflush(file);
}

// Its first letters, not bytes.
std::string cut_to(const std::string& text, size_t letters) {
  size_t end = 0;
  for (size_t seen = 0; end < text.size(); end++) {
    bool begins_letter = (text[end] & 0xC0) != 0x80;
    if (begins_letter && seen++ == letters) break;
  }
  return text.substr(0, end);
}

std::string text_of(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

constexpr size_t kGap = 2;
constexpr size_t kIndent = 4;

// Where each line of a row begins, and the end. A column wider than the line has a line of its own.
std::vector<size_t> lines_that_fit(const std::vector<size_t>& widths, size_t width) {
  std::vector<size_t> starts = {0};
  size_t used = 0;
  for (size_t i = 0; i < widths.size(); i++) {
    bool is_first = i == starts.back();
    if (width != 0 && !is_first && used + kGap + widths[i] > width) {
      starts.push_back(i);
      used = kIndent + widths[i];
    } else {
      used += widths[i] + (is_first ? 0 : kGap);
    }
  }
  starts.push_back(widths.size());
  return starts;
}

// 0 when it is no terminal: what is piped stays one line per row.
size_t terminal_width(FILE* file) {
  constexpr size_t kWidthMin = 20;
  if (isatty(fileno(file)) != 1) return 0;
  const char* told = std::getenv("COLUMNS");
  size_t width = told == nullptr ? 0 : std::strtoul(told, nullptr, 10);
  winsize size{};
  if (width == 0 && ioctl(fileno(file), TIOCGWINSZ, &size) == 0) width = size.ws_col;
  return width == 0 ? 0 : std::max(width, kWidthMin);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string clean(text);
  for (char& letter : clean) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = '?';
  }
  // U+0080..U+009F are control characters too.
  for (size_t i = 0; i + 1 < clean.size(); i++) {
    bool control = clean[i] == '\xc2' && static_cast<unsigned char>(clean[i + 1]) < 0xa0;
    if (control) clean.replace(i, 2, "?");
  }
  return clean;
}

std::string paint(std::string_view text, Tone tone, bool colour) {
  if (!colour || tone == Tone::Plain || text.empty()) return std::string(text);
  const char* code = "";
  switch (tone) {
    case Tone::Good: code = "32"; break;
    case Tone::Warning: code = "33"; break;
    case Tone::Bad: code = "31"; break;
    case Tone::Faint: code = "2"; break;
    case Tone::Strong: code = "1"; break;
    case Tone::Plain: break;
  }
  return std::string("\x1b[") + code + "m" + std::string(text) + "\x1b[0m";
}

std::string render(const Table& table, bool colour, size_t width) {
  std::vector<size_t> widths;
  for (const std::string& head : table.heads) widths.push_back(width_of(head));
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size() && i < widths.size(); i++) {
      widths[i] = std::max(widths[i], width_of(printable(row[i].text)));
    }
  }
  std::vector<size_t> line_starts = lines_that_fit(widths, width);
  auto lines_of = [&](const std::vector<Cell>& cells) {
    std::string lines;
    for (size_t line = 0; line + 1 < line_starts.size(); line++) {
      size_t pending = line == 0 ? 0 : kIndent;  // blanks owed before the next text, so that no line ends in blanks
      std::string text;
      for (size_t i = line_starts[line]; i < line_starts[line + 1] && i < cells.size(); i++) {
        std::string cell = printable(cells[i].text);
        if (!cell.empty()) text += std::string(pending, ' ') + paint(cell, cells[i].tone, colour), pending = 0;
        pending += widths[i] - width_of(cell) + kGap;
      }
      if (line == 0 || !text.empty()) lines += text + "\n";
    }
    return lines;
  };
  std::vector<Cell> heads;
  for (const std::string& head : table.heads) heads.emplace_back(head, Tone::Strong);
  std::string text = lines_of(heads);
  for (const auto& row : table.rows) text += lines_of(row);
  return text;
}

std::string format_age(uint64_t ms) {
  uint64_t seconds = ms / 1000;
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 2 * 3600) return std::to_string(seconds / 60) + " min";
  if (seconds < 2 * 86400) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds / 86400) + " d";
}

Output::Output(FILE* out, FILE* err, bool json)
    : out_(out),
      err_(err),
      json_(json),
      colour_(wants_colour(out)),
      width_(terminal_width(out)),
      terminal_(!json && isatty(fileno(err)) == 1) {}

void Output::line(const std::string& text) {
  if (json_) return;
  live("");
  print(out_, text + "\n");
}

void Output::table(const Table& table) {
  if (json_) return;
  live("");
  print(out_, render(table, colour_, width_));
}

void Output::note(const std::string& text) {
  if (json_) return;
  live("");
  print(err_, text + "\n");
}

void Output::page() {
  if (json_) return;
  live("");
  if (isatty(fileno(out_)) == 1) print(out_, "\x1b[H\x1b[2J");
  else if (paged_) print(out_, "\n");
  paged_ = true;
}

void Output::live(const std::string& text) {
  if (!terminal_ || (text.empty() && !live_)) return;
  // One that wraps could not be taken away again.
  size_t width = terminal_width(err_);
  print(err_, "\r\x1b[K" + cut_to(printable(text), width == 0 ? 79 : width - 1));
  live_ = !text.empty();
}

void Output::document(const nlohmann::ordered_json& json) {
  if (!json_) return;
  print(out_, text_of(json, 2));
  answered_ = true;
}

void Output::document_line(const nlohmann::ordered_json& json) {
  if (!json_) return;
  print(out_, text_of(json, -1));
  answered_ = true;
}

void Output::error(const Error& error) {
  live("");
  if (json_ && answered_) return;
  if (json_) {
    nlohmann::ordered_json json;
    json["error"]["code"] = std::string(code_name(error.code));
    json["error"]["message"] = error.message;
    print(out_, text_of(json, 2));
    return;
  }
  print(err_, paint("mcloud:", Tone::Bad, wants_colour(err_)) + " " + printable(error.message) + "\n");
}

}  // namespace mcloud::cli
