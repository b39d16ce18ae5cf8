#include "runtime/user.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "io/file.h"

namespace mcloud::runtime {
namespace {

constexpr uint32_t kIdMax = 65'535;
constexpr size_t kFileBytesMax = 1 << 20;
constexpr size_t kGroupsMax = 256;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (true) {
    size_t end = text.find(separator);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<uint32_t> id_of(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kIdMax) return std::nullopt;
  return value;
}

// Lines of passwd(5) and group(5) with at least `fields` fields whose third is an id.
std::vector<std::vector<std::string_view>> records(std::string_view text, size_t fields) {
  std::vector<std::vector<std::string_view>> out;
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> record = split(line, ':');
    if (record.size() >= fields && id_of(record[2]).has_value()) out.push_back(std::move(record));
  }
  return out;
}

Error unknown(std::string_view what, std::string_view name) {
  return make_error(Code::Invalid, std::string(what) + " \"" + std::string(name.substr(0, 100)) +
                                       "\": is neither in the image nor an id from 0 to 65535");
}

// A name goes before a number, as in Docker: a user may be called "1000".
template <typename Records>
auto find_record(const Records& records, std::string_view wanted) {
  auto found = std::find_if(records.begin(), records.end(), [&](const auto& record) { return record[0] == wanted; });
  if (found != records.end()) return found;
  std::optional<uint32_t> id = id_of(wanted);
  return std::find_if(records.begin(), records.end(),
                      [&](const auto& record) { return id.has_value() && id_of(record[2]) == id; });
}

std::vector<uint32_t> groups_with(std::string_view member, std::string_view group_text, uint32_t own) {
  std::vector<uint32_t> out;
  for (const auto& record : records(group_text, 4)) {
    std::vector<std::string_view> members = split(record[3], ',');
    uint32_t id = *id_of(record[2]);
    if (id != own && out.size() < kGroupsMax && std::find(members.begin(), members.end(), member) != members.end()) {
      out.push_back(id);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

enum class Look { There, Hidden, Absent, Failed };

Look read_in_root(const std::string& root, const std::string& path, Bytes& out) {
  io::Fd folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return Look::Absent;
  open_how how{};
  // Not blocking: the image may hold a fifo there.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  for (int tries = 0; fd < 0 && tries < 1000; ++tries) {
    fd = syscall(SYS_openat2, folder.get(), path.c_str(), &how, sizeof how);
    if (fd < 0 && errno != EAGAIN) break;
  }
  // A whiteout of overlayfs is a character device that cannot be opened.
  if (fd < 0 && (errno == EIO || errno == ENOTCONN)) return Look::Failed;
  if (fd < 0) return errno == ENXIO || errno == ENODEV ? Look::Hidden : Look::Absent;
  io::Fd file(static_cast<int>(fd));
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return Look::Hidden;
  out.resize(std::min<size_t>(static_cast<size_t>(facts.st_size), kFileBytesMax));
  ssize_t got = ::pread(file.get(), out.data(), out.size(), 0);
  out.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return got < 0 ? Look::Failed : Look::There;
}

}  // namespace

Result<ContainerUser> find_user(std::string_view wanted, std::string_view passwd, std::string_view group_text) {
  size_t colon = wanted.find(':');
  std::string_view user = wanted.substr(0, colon);
  std::string_view group = colon == std::string_view::npos ? "" : wanted.substr(colon + 1);
  if (user.empty()) user = "0";

  ContainerUser out;
  auto users = records(passwd, 6);
  auto found = find_record(users, user);
  std::string_view name;
  if (found != users.end()) {
    out.user = *id_of((*found)[2]);
    out.group = id_of((*found)[3]).value_or(0);
    if (!(*found)[5].empty()) out.home = (*found)[5];
    name = (*found)[0];
  } else {
    std::optional<uint32_t> id = id_of(user);
    if (!id.has_value()) return unknown("user", user);
    out.user = *id;
  }
  if (group.empty()) {
    if (!name.empty()) out.other_groups = groups_with(name, group_text, out.group);
    return out;
  }
  auto groups = records(group_text, 3);
  auto found_group = find_record(groups, group);
  std::optional<uint32_t> id = found_group != groups.end() ? id_of((*found_group)[2]) : id_of(group);
  if (!id.has_value()) return unknown("group", group);
  out.group = *id;
  return out;
}

Result<Bytes> read_container_file(const std::string& upper, const std::string& lower, const std::string& path) {
  Bytes out;
  Look look = read_in_root(upper, path, out);
  if (look == Look::Absent) look = read_in_root(lower, path, out);
  if (look == Look::Failed) return errno_error(errno, "read the image's " + path);
  if (look != Look::There) out.clear();
  return out;
}

}  // namespace mcloud::runtime
