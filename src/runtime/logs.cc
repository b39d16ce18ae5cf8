#include "runtime/logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace mcloud::runtime {
namespace {

constexpr size_t kPieceBytes = 64 << 10;
constexpr size_t kLineBytesMax = 1 << 20;  // conmon writes lines of at most 8 KiB and their head

Error not_a_line() { return make_error(Code::Invalid, "not a line of a k8s-file log"); }

// Exactly `count` digits.
bool take_number(std::string_view& text, size_t count, uint64_t& out) {
  if (text.size() < count) return false;
  out = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + static_cast<uint64_t>(text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

// RFC 3339 with 9 digits of a second: 2024-05-01T10:00:00.123456789+02:00
bool take_time(std::string_view& text, uint64_t& time_ns) {
  uint64_t year, month, day, hour, minute, second, fraction, zone_hours = 0, zone_minutes = 0;
  bool has_moment = take_number(text, 4, year) && take(text, "-") && take_number(text, 2, month) && take(text, "-") &&
                    take_number(text, 2, day) && take(text, "T") && take_number(text, 2, hour) && take(text, ":") &&
                    take_number(text, 2, minute) && take(text, ":") && take_number(text, 2, second) &&
                    take(text, ".") && take_number(text, 9, fraction);
  if (!has_moment || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return false;
  bool is_behind = text.starts_with('-');
  if (!take(text, "Z")) {
    if (!(take(text, "+") || take(text, "-")) || !take_number(text, 2, zone_hours) || !take(text, ":") ||
        !take_number(text, 2, zone_minutes)) {
      return false;
    }
  }
  std::tm parts{};
  parts.tm_year = static_cast<int>(year) - 1900;
  parts.tm_mon = static_cast<int>(month) - 1;
  parts.tm_mday = static_cast<int>(day);
  int64_t seconds = timegm(&parts) + static_cast<int64_t>(hour * 3600 + minute * 60 + second);
  auto offset = static_cast<int64_t>(zone_hours * 3600 + zone_minutes * 60);
  seconds -= is_behind ? -offset : offset;
  if (seconds < 0) return false;
  time_ns = static_cast<uint64_t>(seconds) * 1'000'000'000 + fraction;
  return true;
}

}  // namespace

Result<LogLine> parse_log_line(std::string_view line) {
  LogLine out;
  if (!take_time(line, out.time_ns)) return not_a_line();
  if (take(line, " stderr ")) out.is_error = true;
  else if (!take(line, " stdout ")) return not_a_line();
  if (take(line, "P ")) out.is_whole = false;
  else if (!take(line, "F ") && !take(line, "F")) return not_a_line();
  out.text = line.substr(0, kLogTextMax);
  return out;
}

Status LogReader::open_if_needed() {
  if (file_.is_open()) return {};
  io::Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open()) return errno == ENOENT ? Status() : Status(errno_error(errno, "open log " + path_));
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return errno_error(errno, "open log " + path_);
  bool is_another = position_.inode != facts.st_ino || position_.offset > static_cast<uint64_t>(facts.st_size);
  if (is_another) position_ = {facts.st_ino, 0};
  file_ = std::move(file);
  return {};
}

// True when there is a newer file under the name, which is then open.
Result<bool> LogReader::follow_rotation() {
  struct stat facts {};
  if (::stat(path_.c_str(), &facts) != 0) return false;
  bool is_same = facts.st_ino == position_.inode && static_cast<uint64_t>(facts.st_size) >= position_.offset;
  if (is_same) return false;
  file_.reset();
  TRY(open_if_needed());
  return file_.is_open();
}

Result<std::vector<LogLine>> LogReader::read(size_t lines_max, size_t bytes_max) {
  std::vector<LogLine> out;
  TRY(open_if_needed());
  if (!file_.is_open()) return out;
  std::string waiting;  // a line whose end is not read yet
  size_t bytes = 0;
  uint64_t end = position_.offset;
  while (true) {
    size_t before = waiting.size();
    waiting.resize(before + kPieceBytes);
    ssize_t got = ::pread(file_.get(), waiting.data() + before, kPieceBytes, static_cast<off_t>(end));
    if (got < 0 && errno != EINTR) return errno_error(errno, "read log " + path_);
    waiting.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) {
      // Only the end of the old file tells that nothing more comes to it.
      if (!out.empty() || !TRY(follow_rotation())) return out;
      waiting.clear();
      end = position_.offset;
      continue;
    }
    end += static_cast<uint64_t>(got);
    size_t at = 0;
    for (size_t line_end; (line_end = waiting.find('\n', at)) != std::string::npos; at = line_end + 1) {
      if (out.size() >= lines_max || bytes >= bytes_max) return out;
      Result<LogLine> line = parse_log_line(std::string_view(waiting).substr(at, line_end - at));
      position_.offset += line_end + 1 - at;
      if (!line.has_value()) continue;
      bytes += line->text.size();
      out.push_back(std::move(*line));
    }
    waiting.erase(0, at);
    if (waiting.size() > kLineBytesMax) {
      position_.offset += waiting.size();
      waiting.clear();
    }
  }
}

}  // namespace mcloud::runtime
