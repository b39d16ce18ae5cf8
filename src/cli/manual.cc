#include "cli/manual.h"

#include "cli/help.h"

namespace mcloud::cli {
namespace {

// Text as roff reads it: no line may look like a request, and a '-' is one to be typed.
std::string roff(std::string_view text) {
  std::string out;
  bool begins = true;
  for (char c : text) {
    if (begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    begins = c == '\n';
  }
  return out;
}

std::string option_row(const std::string& name, const std::string& value, const std::string& help) {
  return ".TP\n\\fB" + roff(name) + "\\fR" + (value.empty() ? "" : " \\fI" + roff(value) + "\\fR") + "\n" + roff(help) + "\n";
}

std::string section_of(const Command& command) {
  std::string usage = "\\fBmcloud " + roff(command.path()) + "\\fR", rows;
  for (const Parameter& parameter : command.parameters()) {
    bool many = std::holds_alternative<std::vector<std::string>*>(parameter.target);
    if (parameter.kind == Parameter::Kind::Argument) {
      std::string name = "\\fI" + roff(parameter.name) + "\\fR" + (many ? " ..." : "");
      usage += parameter.required ? " " + name : " [" + name + "]";
    } else if (parameter.required) {
      usage += " \\fB" + roff(parameter.name) + "\\fR \\fI" + roff(parameter.value) + "\\fR";
    }
    rows += option_row(parameter.name, parameter.kind == Parameter::Kind::Option ? parameter.value : "", parameter.help);
  }
  std::string text = ".SS " + roff(command.path()) + "\n" + usage + "\n.PP\n" + roff(command.summary()) + ".\n";
  if (!command.description().empty()) text += ".PP\n" + roff(command.description()) + "\n";
  text += rows + ".PP\n.nf\n";
  for (const std::string& example : command.examples()) text += roff(example) + "\n";
  return text + ".fi\n";
}

}  // namespace

std::string manual_page(const Commands& commands, std::string_view version) {
  std::string text = ".TH MCLOUD 1 \"\" \"mcloud " + roff(version) + "\"\n.SH NAME\nmcloud \\- machines that run what signed contracts say\n"
                     ".SH SYNOPSIS\n\\fBmcloud\\fR \\fICOMMAND\\fR ... [\\fIOPTIONS\\fR]\n.SH OPTIONS\nFor every command:\n";
  for (const GlobalOption& option : global_options()) text += option_row(std::string(option.name), std::string(option.value), std::string(option.help));
  text += ".SH COMMANDS\n";
  for (const Command& command : commands) {
    if (!command.is_hidden()) text += section_of(command);
  }
  return text + ".SH EXIT STATUS\n0 done, 2 wrong input, 3 not found, 4 denied, 5 conflict, 6 not reachable or too late, 7 exhausted, 8 damaged, "
                "9 not offered, 1 a defect of ours.\n";
}

}  // namespace mcloud::cli
