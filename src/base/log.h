// Structured logs: one line per event, `time level component message key=value ...` on stderr, or
// JSON with MCLOUD_LOG_FORMAT=json. An error is logged once, where it is handled. Never a secret.
// Thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace mcloud::log {

enum class Level { Debug, Info, Warning, Error };

struct Field {
  std::string_view key;
  std::string value;
};
using Fields = std::initializer_list<Field>;

// Messages below are dropped. The default is Info, or what MCLOUD_LOG says (debug, info, warning, error).
void set_level(Level level);

void write(Level level, std::string_view component, std::string_view message, Fields fields = {});

inline void debug(std::string_view component, std::string_view message, Fields fields = {}) {
  write(Level::Debug, component, message, fields);
}
inline void info(std::string_view component, std::string_view message, Fields fields = {}) {
  write(Level::Info, component, message, fields);
}
inline void warning(std::string_view component, std::string_view message, Fields fields = {}) {
  write(Level::Warning, component, message, fields);
}
inline void error(std::string_view component, std::string_view message, Fields fields = {}) {
  write(Level::Error, component, message, fields);
}

}  // namespace mcloud::log
