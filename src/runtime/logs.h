// What a container wrote, from conmon's k8s-file log:
//   2024-05-01T10:00:00.123456789+02:00 stdout F text        (F: whole line, P: part of one)
// Read on from a position that can be kept. conmon starts the file afresh at its size bound (a new file
// under the same name); an open reader finishes the old one first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"

namespace mcloud::runtime {

struct LogLine {
  uint64_t time_ns = 0;   // since 1970-01-01 UTC
  bool is_error = false;  // standard error
  bool is_whole = true;   // false: the line goes on in the next one of the same stream
  std::string text;       // without the line end, at most kLogTextMax bytes (the rest is dropped)
};
inline constexpr size_t kLogTextMax = 16 << 10;

struct LogPosition {
  uint64_t inode = 0;  // 0 = the start of whatever file is there
  uint64_t offset = 0;
};

// Invalid when it is no such line.
Result<LogLine> parse_log_line(std::string_view line);

// Not thread-safe.
class LogReader {
 public:
  // The file need not be there yet.
  LogReader(std::string path, LogPosition position) : path_(std::move(path)), position_(position) {}

  // The next lines, at most `lines_max` and about `bytes_max` bytes of text; none when there is nothing new.
  // Lines that are not in the format are skipped.
  Result<std::vector<LogLine>> read(size_t lines_max, size_t bytes_max = 256 << 10);
  // Behind the last line returned.
  LogPosition position() const { return position_; }

 private:
  Status open_if_needed();
  Result<bool> follow_rotation();

  std::string path_;
  LogPosition position_;
  io::Fd file_;
};

}  // namespace mcloud::runtime
