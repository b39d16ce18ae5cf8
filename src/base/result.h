// Errors are values. `Result<T>` is a T or an `Error`; it cannot be dropped silently.
//
// An outcome the caller expects (nothing found) is a value, `Result<std::optional<T>>`;
// an operating failure is an Error; a bug is a CHECK (base/check.h).
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace mcloud {

// The closed vocabulary. Each protocol maps it once, in one exhaustive switch.
enum class Code {
  NotFound,       // the named thing is not there
  AlreadyExists,  // the named thing is there already
  Invalid,        // the input breaks a rule; the message names the rule
  Corrupt,        // stored or received bytes fail their own check
  Denied,         // not signed, not allowed
  Conflict,       // somebody else changed it first; read again and retry
  Unavailable,    // cannot be reached or is not ready; retry later
  TimedOut,       // a deadline passed; the outcome may be unknown
  Cancelled,      // the caller gave up
  Exhausted,      // a bound or quota is reached
  Unsupported,    // well formed, but not offered here
  Internal,       // a defect of ours, reported instead of hidden
};

// "not-found", "already-exists", ...: stable words for logs, JSON and exit codes.
std::string_view code_name(Code code);
// The reverse of code_name(); Internal for anything unknown.
Code code_from_name(std::string_view name);

struct [[nodiscard]] Error {
  Code code = Code::Internal;
  std::string message;

  // A copy that says what was being done: "open segment 7: read: Input/output error".
  Error with_context(std::string_view doing) const;
};

template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error) : std::expected<T, Error>(std::unexpect, std::move(error)) {}

  Result with_context(std::string_view doing) && {
    if (!this->has_value()) return this->error().with_context(doing);
    return std::move(*this);
  }
};

using Status = Result<void>;

inline Error make_error(Code code, std::string message) { return Error{code, std::move(message)}; }
// Internal/Unavailable/NotFound/... from errno, "what: strerror".
Error errno_error(int error_number, std::string_view what);

}  // namespace mcloud

// TRY(expr): the value of a Result, or return its error from this function. Not for coroutines.
#define TRY(...)                                                       \
  ({                                                                   \
    auto&& try_result_ = (__VA_ARGS__);                                \
    if (!try_result_.has_value()) return std::move(try_result_).error(); \
    std::move(try_result_).value();                                    \
  })
