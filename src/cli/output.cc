#include "cli/output.h"

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

std::string text_of(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
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

std::string render(const Table& table, bool colour) {
  std::vector<size_t> widths;
  for (const std::string& head : table.heads) widths.push_back(width_of(head));
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size() && i < widths.size(); i++) {
      widths[i] = std::max(widths[i], width_of(printable(row[i].text)));
    }
  }
  auto line_of = [&](const std::vector<Cell>& cells) {
    std::string line;
    size_t pending = 0;  // blanks owed before the next text, so that no line ends in blanks
    for (size_t i = 0; i < cells.size() && i < widths.size(); i++) {
      std::string text = printable(cells[i].text);
      if (!text.empty()) line += std::string(pending, ' ') + paint(text, cells[i].tone, colour), pending = 0;
      pending += widths[i] - width_of(text) + 2;
    }
    return line + "\n";
  };
  std::vector<Cell> heads;
  for (const std::string& head : table.heads) heads.emplace_back(head, Tone::Strong);
  std::string text = line_of(heads);
  for (const auto& row : table.rows) text += line_of(row);
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
    : out_(out), err_(err), json_(json), colour_(wants_colour(out)), terminal_(!json && isatty(fileno(err)) == 1) {}

void Output::line(const std::string& text) {
  if (json_) return;
  live("");
  print(out_, text + "\n");
}

void Output::table(const Table& table) {
  if (json_) return;
  live("");
  print(out_, render(table, colour_));
}

void Output::note(const std::string& text) {
  if (json_) return;
  live("");
  print(err_, text + "\n");
}

void Output::live(const std::string& text) {
  if (!terminal_ || (text.empty() && !live_)) return;
  print(err_, "\r\x1b[K" + printable(text));
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
  print(err_, paint("mcloud:", Tone::Bad, wants_colour(err_)) + " " + error.message + "\n");
}

}  // namespace mcloud::cli
