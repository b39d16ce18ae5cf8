// Grades of check. CHECK is always on and ends the process: for our own bugs, never for anything
// that comes from outside. DCHECK costs too much for release builds and is on in Debug only.
#pragma once
// For .cc files only: doctest owns the same word in tests, so no header includes this one.

namespace mcloud {
// Prints "CHECK failed: text at file:line" and aborts.
[[noreturn]] void check_failed(const char* text, const char* file, int line);
}  // namespace mcloud

#define CHECK(...) \
  ((__VA_ARGS__) ? static_cast<void>(0) : ::mcloud::check_failed(#__VA_ARGS__, __FILE__, __LINE__))

#ifdef NDEBUG
#define DCHECK(...) static_cast<void>(0)
#else
#define DCHECK(...) CHECK(__VA_ARGS__)
#endif
