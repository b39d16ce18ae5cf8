#include "testing/history.h"

#include <array>

namespace mcloud::testing {
namespace {

constexpr std::array kNames = {"get", "exists", "set", "replace", "set-if-none", "remove", "take", "append", "add"};

std::string shorten(const std::string& text) {
  return text.size() <= 60 ? text : text.substr(0, 30) + "..." + text.substr(text.size() - 27);
}

}  // namespace

std::string run_step(const Step& step, std::vector<std::optional<std::string>>& state) {
  std::optional<std::string>& value = state[step.key];
  auto shown = [&] { return value ? "=" + *value : "none"; };
  switch (step.kind) {
    case StepKind::Get: return shown();
    case StepKind::Exists: return value ? "#1" : "#0";
    case StepKind::Set: value = step.argument; return "ok";
    case StepKind::Replace: {
      bool is_same = value == step.argument;
      value = step.argument;
      return is_same ? "same" : "new";
    }
    case StepKind::SetIfNone:
      if (value) return "#0";
      value = step.argument;
      return "#1";
    case StepKind::Remove: {
      bool was_there = value.has_value();
      value.reset();
      return was_there ? "#1" : "#0";
    }
    case StepKind::Take: {
      std::string taken = shown();
      value.reset();
      return taken;
    }
    case StepKind::Append: value = value.value_or("") + step.argument; return "#" + std::to_string(value->size());
    case StepKind::Add:
      value = std::to_string(std::stoll(value.value_or("0")) + std::stoll(step.argument));
      return "#" + *value;
  }
  return {};
}

std::string describe(const Operation& operation) {
  std::string text = "process " + std::to_string(operation.process) + " [" + std::to_string(operation.begin) + ".." +
                     (operation.end == Operation::kNever ? "" : std::to_string(operation.end)) + "]:";
  for (const Step& step : operation.steps) {
    text += std::string(" ") + kNames[static_cast<size_t>(step.kind)] + " " + std::to_string(step.key);
    if (!step.argument.empty()) text += " " + shorten(step.argument);
    text += " -> " + (step.answer ? shorten(*step.answer) : "?") + ";";
  }
  return text;
}

}  // namespace mcloud::testing
