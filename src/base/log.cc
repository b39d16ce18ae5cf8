#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace mcloud::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug: return spdlog::level::debug;
    case Level::Info: return spdlog::level::info;
    case Level::Warning: return spdlog::level::warn;
    case Level::Error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

struct Sink {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;
};

Sink make_sink() {
  Sink sink;
  sink.logger = std::make_shared<spdlog::logger>("mcloud", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  const char* format = std::getenv("MCLOUD_LOG_FORMAT");
  sink.json = format != nullptr && std::string_view(format) == "json";
  sink.logger->set_pattern(sink.json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%v}"
                                     : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                           spdlog::pattern_time_type::utc);
  const char* level = std::getenv("MCLOUD_LOG");
  sink.logger->set_level(level == nullptr ? spdlog::level::info : spdlog::level::from_str(level));
  sink.logger->flush_on(spdlog::level::debug);
  return sink;
}

Sink& sink() {
  static Sink instance = make_sink();
  return instance;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view digits = "0123456789abcdef";
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" \"\\\n\r\t=") != std::string_view::npos;
}

}  // namespace

void set_level(Level level) { sink().logger->set_level(to_spdlog(level)); }

void write(Level level, std::string_view component, std::string_view message, Fields fields) {
  Sink& to = sink();
  if (!to.logger->should_log(to_spdlog(level))) return;
  std::string line;
  if (to.json) {
    line += "\"component\":";
    append_quoted(line, component);
    line += ",\"message\":";
    append_quoted(line, message);
    for (const Field& field : fields) {
      line += ',';
      append_quoted(line, field.key);
      line += ':';
      append_quoted(line, field.value);
    }
  } else {
    line += component;
    line += ' ';
    line += message;
    for (const Field& field : fields) {
      line += ' ';
      line += field.key;
      line += '=';
      if (needs_quotes(field.value)) {
        append_quoted(line, field.value);
      } else {
        line += field.value;
      }
    }
  }
  to.logger->log(to_spdlog(level), line);
}

}  // namespace mcloud::log
