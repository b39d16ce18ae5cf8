#include "runtime/container_folder.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>

namespace mcloud::runtime {
namespace {

std::optional<uint64_t> read_number(const std::string& path) {
  Result<Bytes> text = io::read_file(path, 64);
  if (!text.has_value()) return std::nullopt;
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  bool is_whole = end == text->data() + text->size() || *end == '\n';
  if (error != std::errc() || !is_whole) return std::nullopt;
  return value;
}

}  // namespace

Status ContainerFolder::create() const {
  if (::mkdir(path_.c_str(), 0711) != 0) {
    if (errno == EEXIST) return make_error(Code::AlreadyExists, "something of an earlier container is left");
    return errno_error(errno, "make " + path_);
  }
  if (::chmod(path_.c_str(), 0711) != 0) return errno_error(errno, "make " + path_);
  return {};
}

Status ContainerFolder::remove() const {
  TRY(io::remove_tree(exit_path_));
  return io::remove_tree(path_);
}

Status ContainerFolder::write(const std::string& name, const std::string& text) const {
  return io::write_file(file(name), text, io::Durability::None, 0600);
}

std::optional<ProcessIdentity> ContainerFolder::identity(const std::string& name) const {
  Result<Bytes> text = io::read_file(file(name), 64);
  if (!text.has_value()) return std::nullopt;
  Result<ProcessIdentity> process = parse_identity(*text);
  if (!process.has_value()) return std::nullopt;
  return *process;
}

std::optional<uint64_t> ContainerFolder::number(const std::string& name) const { return read_number(file(name)); }

Result<int> ContainerFolder::pid_in(const std::string& name) const {
  std::optional<uint64_t> pid = number(name);
  if (!pid.has_value() || *pid == 0 || *pid > INT32_MAX) return make_error(Code::NotFound, file(name) + ": holds no process id");
  return static_cast<int>(*pid);
}

std::optional<ContainerFolder::Exit> ContainerFolder::exit() const {
  std::optional<uint64_t> code = read_number(exit_path_);
  struct stat facts {};
  if (!code.has_value() || ::stat(exit_path_.c_str(), &facts) != 0) return std::nullopt;
  return Exit{static_cast<int>(*code), static_cast<uint64_t>(facts.st_mtim.tv_sec) * 1000 +
                                           static_cast<uint64_t>(facts.st_mtim.tv_nsec) / 1'000'000};
}

}  // namespace mcloud::runtime
