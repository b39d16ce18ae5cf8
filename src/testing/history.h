// What clients did to a store of strings, and when: for judges (linear.h, prefix.h). Values, no clock, no thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mcloud::testing {

enum class StepKind : uint8_t {
  Get,        // "none" or "=VALUE"
  Exists,     // "#0" or "#1"
  Set,        // "ok"
  Replace,    // "new", or "same" when the value was there already
  SetIfNone,  // "#1", or "#0" when there was one
  Remove,     // "#1", or "#0" when there was none
  Take,       // as Get; removes
  Append,     // "#LENGTH"
  Add,        // "#SUM"; the argument is a number
};

struct Step {
  StepKind kind = StepKind::Get;
  uint32_t key = 0;  // of the few keys that are judged together
  std::string argument;
  std::optional<std::string> answer;  // as said above; nullopt: unknown
};

// Steps that happen together, as one.
struct Operation {
  static constexpr uint64_t kNever = UINT64_MAX;
  uint32_t process = 0;  // a connection: the server takes its operations in their order
  uint64_t begin = 0;    // just before it was sent, any unit
  uint64_t end = kNever;  // just after its answer was there. Never: it happened at any time since, or not at all
  std::vector<Step> steps;
};

// Each process's operations are in the order in which it sent them.
using History = std::vector<Operation>;

// What the step answers when the keys are `state` (and does to it).
std::string run_step(const Step& step, std::vector<std::optional<std::string>>& state);

// "process 3 [12..15]: get 0 -> =x": for people.
std::string describe(const Operation& operation);

}  // namespace mcloud::testing
