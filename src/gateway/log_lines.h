// What HAProxy writes into its log: lines "BACK_END {json}". Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mcloud::gateway {

// Cuts bytes into lines, however they arrive. A line that is longer than the bound is dropped as a whole.
class LogLines {
 public:
  static constexpr size_t kLineBytesMax = 16 << 10;
  // Appends the lines that are whole now, without their ends. They are good until the next feed(), and as long as `bytes`:
  // a gateway reads as many lines as it has requests, and copies of each would be most of the work.
  void feed(std::string_view bytes, std::vector<std::string_view>& lines);

 private:
  void wait_for_end(std::string_view part);

  std::string waiting_;         // the beginning of a line
  std::string joined_;          // the line that has begun in bytes before
  bool is_too_long_ = false;  // what comes until the next line end belongs to a line that is dropped
};

struct LogMessage {
  std::string_view backend;
  std::string_view text;
};
// Where "BACKEND TEXT" is cut; without a space all is BACKEND.
LogMessage cut_message(std::string_view line);

// "2024-05-01T10:00:00.123456789Z stdout F ": what begins a line of containers' logs (runtime/logs.h).
std::string log_head(uint64_t time_ns);

// Appends HEAD TEXT and a line end. Control characters become '?'. A text that HAProxy had to cut, and that is no JSON object
// therefore, becomes {"cut":"..."}.
void append_line(std::string& out, std::string_view head, std::string_view text);

}  // namespace mcloud::gateway
