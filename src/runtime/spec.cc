// The checks of a ContainerSpec: what comes from a contract must not surprise crun or conmon.
#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstring>

#include "runtime/oci_config.h"
#include "runtime/user_range.h"

namespace mcloud::runtime {
namespace {

constexpr size_t kArgumentsMax = 4096;
constexpr size_t kTextBytesMax = 1 << 20;  // arguments and variables together; the kernel's bound is 2 MiB
constexpr size_t kMountsMax = 256;
constexpr size_t kFileBytesMax = 1 << 20;

Error wrong(const std::string& field, const std::string& allowed) {
  return make_error(Code::Invalid, "container " + field + ": must be " + allowed);
}

// UTF-8 without zero bytes (RFC 3629); config.json cannot say anything else.
bool is_text(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    auto c = static_cast<unsigned char>(text[i]);
    size_t more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    if (c == 0 || (c >= 0x80 && c < 0xC2) || c > 0xF4 || i + more >= text.size() + (more == 0 ? 1 : 0)) return false;
    uint32_t point = more == 0 ? c : c & (0x3F >> more);
    for (size_t j = 1; j <= more; ++j) {
      auto next = static_cast<unsigned char>(text[i + j]);
      if ((next & 0xC0) != 0x80) return false;
      point = point << 6 | (next & 0x3F);
    }
    constexpr std::array<uint32_t, 4> kSmallest = {0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[more] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
    i += more + 1;
  }
  return true;
}

bool is_container_path(const std::string& path) {
  if (path.size() > 4095 || !path.starts_with('/') || !is_text(path)) return false;
  std::string padded = path + "/";
  return padded.find("/../") == std::string::npos && padded.find("/./") == std::string::npos;
}

bool is_host_path(const std::string& path) { return path.starts_with('/') && is_text(path); }

Status check_texts(const ContainerSpec& spec) {
  if (spec.arguments.empty() || spec.arguments[0].empty()) return wrong("arguments", "a program at least");
  size_t bytes = 0;
  for (const auto* list : {&spec.arguments, &spec.environment}) {
    if (list->size() > kArgumentsMax) return wrong("arguments and environment", "at most 4096 each");
    for (const std::string& text : *list) {
      bytes += text.size() + 1;
      if (!is_text(text)) return wrong("arguments and environment", "UTF-8 without zero bytes");
    }
  }
  if (bytes > kTextBytesMax) return wrong("arguments and environment", "at most 1 MiB");
  for (const std::string& variable : spec.environment) {
    size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos) return wrong("environment", "NAME=value");
  }
  return {};
}

Status check_mounts(const ContainerSpec& spec) {
  if (spec.mounts.size() > kMountsMax || spec.files.size() > kMountsMax) {
    return wrong("mounts and files", "at most 256 each");
  }
  for (const ContainerMount& mount : spec.mounts) {
    if (!is_container_path(mount.path) || mount.path == "/") return wrong("mount path", "absolute, without \"..\"");
    if (!mount.source.empty() && !is_host_path(mount.source)) return wrong("mount source", "an absolute path");
  }
  for (const ContainerFile& file : spec.files) {
    if (!is_container_path(file.path) || file.path.ends_with('/')) return wrong("file path", "absolute, without \"..\"");
    if (file.content.size() > kFileBytesMax) return wrong("file " + file.path, "at most 1 MiB");
    if ((file.mode & ~0777u) != 0) return wrong("mode of file " + file.path, "at most 0777");
  }
  return {};
}

}  // namespace

Status check_container_id(const std::string& id) {
  auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool fits = !id.empty() && id.size() <= 64 && is_plain(id[0]) &&
              std::all_of(id.begin(), id.end(), [&](char c) { return is_plain(c) || c == '.' || c == '-'; });
  return fits ? Status() : Status(wrong("id", "[a-z0-9][a-z0-9.-]{0,63}"));
}

Status check_spec(const ContainerSpec& spec) {
  TRY(check_container_id(spec.id));
  TRY(check_texts(spec));
  TRY(check_mounts(spec));
  TRY(signal_number(spec.stop_signal));
  if (spec.base_uid < kUserRange || spec.base_uid > UINT32_MAX - kUserRange) {
    return wrong("base_uid", "65536 or more: a range that is nobody else's");
  }
  if (!is_host_path(spec.image_root)) return wrong("image_root", "an absolute path");
  if (!is_host_path(spec.disk_folder)) return wrong("disk_folder", "an absolute path");
  if (!is_host_path(spec.log_path)) return wrong("log_path", "an absolute path");
  if (!spec.working_folder.empty() && !is_container_path(spec.working_folder)) {
    return wrong("working_folder", "absolute, without \"..\"");
  }
  if (!spec.network_namespace.empty() && !is_host_path(spec.network_namespace)) {
    return wrong("network_namespace", "an absolute path");
  }
  bool is_hostname = spec.hostname.size() <= 63 &&
                     std::all_of(spec.hostname.begin(), spec.hostname.end(), [](unsigned char c) {
                       return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
                     });
  if (!is_hostname) return wrong("hostname", "at most 63 letters, digits, \"-\", \".\" and \"_\"");
  return {};
}

Result<int> signal_number(const std::string& text) {
  if (text.empty()) return SIGTERM;
  int number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number > 0 && number < NSIG) return number;
  std::string name = text.starts_with("SIG") ? text.substr(3) : text;
  if (name.starts_with("RTMIN+")) {
    auto [last, failed] = std::from_chars(name.data() + 6, name.data() + name.size(), number);
    if (failed == std::errc() && last == name.data() + name.size() && number >= 0 && SIGRTMIN + number <= SIGRTMAX) {
      return SIGRTMIN + number;
    }
  }
  for (int candidate = 1; candidate < NSIG; ++candidate) {
    const char* known = sigabbrev_np(candidate);
    if (known != nullptr && name == known) return candidate;
  }
  return wrong("stop_signal", "a signal's name or number");
}

}  // namespace mcloud::runtime
