#include "image/unpacked/tree_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "image/unpacked/attributes.h"
#include "image/path.h"

namespace mcloud::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufsMetadata = ".wh..wh.";

Error corrupt(std::string why) { return make_error(Code::Corrupt, std::move(why)); }

io::Fd open_in_root(int root, const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: somebody mounted or renamed something, anywhere, while a ".." was followed.
  for (int tries = 0; tries < 1000; ++tries) {
    long fd = syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how);
    if (fd >= 0) return io::Fd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return io::Fd();
}

// Names in a folder; its descriptor is left where it is.
Result<std::vector<std::string>> names_in(int folder) {
  io::Fd copy(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy.is_open()) return errno_error(errno, "list");
  DIR* list = fdopendir(copy.get());
  if (list == nullptr) return errno_error(errno, "list");
  copy.release();
  std::vector<std::string> out;
  while (dirent* entry = readdir(list)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(std::move(name));
  }
  closedir(list);
  return out;
}

bool any_name_starts(const std::string& path, std::string_view prefix) {
  return path.starts_with(prefix) || path.find("/" + std::string(prefix)) != std::string::npos;
}

}  // namespace

Result<std::unique_ptr<TreeWriter>> TreeWriter::open(const std::string& folder, const UnpackLimits& limits) {
  io::Fd root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root.is_open()) return errno_error(errno, "open " + folder);
  return std::unique_ptr<TreeWriter>(new TreeWriter(std::move(root), limits));
}

void TreeWriter::begin_layer() {
  written_.clear();
  folder_times_.clear();
  parent_ = Parent();
}

Status TreeWriter::add(const TarEntry& entry, TarReader& reader) {
  if (++entries_ > limits_.entries_max) {
    return make_error(Code::Exhausted, "the image has more than " + std::to_string(limits_.entries_max) + " entries");
  }
  std::string path = TRY(normal_path(entry.path));
  return add_checked(entry, reader, path).with_context("path \"" + path.substr(0, 200) + "\"");
}

Status TreeWriter::add_checked(const TarEntry& entry, TarReader& reader, const std::string& path) {
  if (path.empty()) return add_root(entry);
  auto [folder, name] = split_last(path);
  if (name == kOpaque) return add_whiteout(folder, "");
  if (any_name_starts(path, kAufsMetadata)) return {};
  if (any_name_starts(folder, kWhiteout)) return corrupt("a whiteout is not a folder");
  if (name.starts_with(kWhiteout)) return add_whiteout(folder, std::string_view(name).substr(kWhiteout.size()));
  TRY(check_attributes(entry));
  TRY(enter(folder));
  // GNU tar writes a file that it was given twice as a hard link to itself.
  if (entry.type == TarEntry::Type::HardLink && TRY(normal_path(entry.link_target)) == path) return {};
  TRY(make_way(entry, name));
  if (entry.type == TarEntry::Type::CharacterDevice || entry.type == TarEntry::Type::BlockDevice) {
    ++skipped_devices_;  // what a lower layer has under its name is gone all the same
    return {};
  }
  switch (entry.type) {
    case TarEntry::Type::File: TRY(write_file(entry, reader, name)); break;
    case TarEntry::Type::Folder: TRY(write_folder(entry, path, name)); break;
    case TarEntry::Type::Link: TRY(write_link(entry, name)); break;
    case TarEntry::Type::HardLink: TRY(write_hard_link(entry, name)); break;
    case TarEntry::Type::Fifo: TRY(write_fifo(entry, name)); break;
    case TarEntry::Type::Socket:
    case TarEntry::Type::CharacterDevice:
    case TarEntry::Type::BlockDevice:
    case TarEntry::Type::Other: return make_error(Code::Unsupported, "an entry of unknown type");
  }
  remember(name);
  return {};
}

Status TreeWriter::end_layer() {
  // Last, because every entry made in a folder changes its time.
  for (const auto& [path, time] : folder_times_) {
    io::Fd folder = open_in_root(root_.get(), path, O_RDONLY | O_DIRECTORY);
    timespec times[2] = {time, time};
    if (folder.is_open()) ::futimens(folder.get(), times);
  }
  folder_times_.clear();
  parent_ = Parent();
  return {};
}

Status TreeWriter::add_root(const TarEntry& entry) {
  if (entry.type != TarEntry::Type::Folder) return corrupt("the root is not a folder");
  TRY(check_attributes(entry));
  folder_times_.emplace_back("", modified_time(entry));
  TRY(remove_attributes(root_.get()));
  return set_attributes(root_.get(), entry);
}

// `hidden` is the name that goes, or "" for all that lower layers have in the folder.
Status TreeWriter::add_whiteout(const std::string& folder, std::string_view hidden) {
  if (hidden == "." || hidden == ".." || any_name_starts(folder, kWhiteout)) return corrupt("a malformed whiteout");
  io::Fd target = open_in_root(root_.get(), folder, O_RDONLY | O_DIRECTORY);
  if (!target.is_open() && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return {};
  if (!target.is_open()) return errno_error(errno, "open folder");
  parent_ = Parent();
  if (hidden.empty()) return empty_lower(std::move(target), 0);
  struct stat facts {};
  if (::fstat(target.get(), &facts) != 0) return errno_error(errno, "read folder");
  return remove_lower(target.get(), facts.st_ino, std::string(hidden), 0);
}

Status TreeWriter::enter(const std::string& folder) {
  if (parent_.fd.is_open() && parent_.path == folder) return {};
  io::Fd fd = TRY(open_folder(folder));
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return errno_error(errno, "read folder");
  parent_ = Parent{folder, std::move(fd), facts.st_ino};
  return {};
}

// The folder, and those above it, are made when missing: layers need not name them.
Result<io::Fd> TreeWriter::open_folder(const std::string& folder) {
  io::Fd fd = open_in_root(root_.get(), folder, O_RDONLY | O_DIRECTORY);
  if (fd.is_open()) return fd;
  if (errno != ENOENT) return corrupt("its folder \"" + folder.substr(0, 200) + "\" is not a folder");
  for (size_t slash = folder.find('/'); slash != std::string::npos; slash = folder.find('/', slash + 1)) {
    TRY(make_folder(folder.substr(0, slash)));
  }
  return make_folder(folder);
}

Result<io::Fd> TreeWriter::make_folder(const std::string& folder) {
  io::Fd fd = open_in_root(root_.get(), folder, O_RDONLY | O_DIRECTORY);
  if (fd.is_open()) return fd;
  auto [above, name] = split_last(folder);
  io::Fd parent = open_in_root(root_.get(), above, O_RDONLY | O_DIRECTORY);
  if (!parent.is_open() || ::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
    // EEXIST: a link that leads nowhere.
    return corrupt("its folder \"" + folder.substr(0, 200) + "\" cannot be made");
  }
  fd = open_in_root(root_.get(), folder, O_RDONLY | O_DIRECTORY);
  if (!fd.is_open()) return errno_error(errno, "open new folder");
  if (::fchmod(fd.get(), 0755) != 0) return errno_error(errno, "set mode");
  return fd;
}

// What has the name goes, except a folder that stays a folder.
Status TreeWriter::make_way(const TarEntry& entry, const std::string& name) {
  struct stat facts {};
  if (::fstatat(parent_.fd.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Status() : Status(errno_error(errno, "look up"));
  }
  bool is_folder = S_ISDIR(facts.st_mode);
  if (is_folder && entry.type == TarEntry::Type::Folder) return {};
  written_.erase(key(parent_.inode, name));
  if (!is_folder) {
    if (::unlinkat(parent_.fd.get(), name.c_str(), 0) != 0) return errno_error(errno, "replace");
    return {};
  }
  io::Fd old(::openat(parent_.fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!old.is_open()) return errno_error(errno, "replace");
  TRY(empty_lower(std::move(old), 0));
  if (::unlinkat(parent_.fd.get(), name.c_str(), AT_REMOVEDIR) != 0) {
    return corrupt("a folder with entries of the same layer becomes something else");
  }
  return {};
}

Status TreeWriter::write_folder(const TarEntry& entry, const std::string& path, const std::string& name) {
  if (::mkdirat(parent_.fd.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return errno_error(errno, "make folder");
  io::Fd folder(::openat(parent_.fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.is_open()) return errno_error(errno, "open folder");
  folder_times_.emplace_back(path, modified_time(entry));
  TRY(remove_attributes(folder.get()));
  return set_attributes(folder.get(), entry);
}

Status TreeWriter::write_file(const TarEntry& entry, TarReader& reader, const std::string& name) {
  bytes_ += std::min(entry.bytes, limits_.bytes_max + 1);
  if (bytes_ > limits_.bytes_max) {
    return make_error(Code::Exhausted,
                      "the image unpacks to more than the allowed " + std::to_string(limits_.bytes_max) + " bytes");
  }
  io::Fd file(::openat(parent_.fd.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) return errno_error(errno, "create");
  uint64_t end = 0;
  while (std::optional<TarPiece> piece = TRY(reader.next_piece())) {
    if (piece->offset < end || piece->offset > entry.bytes || piece->bytes.size() > entry.bytes - piece->offset) {
      return corrupt("its content does not fit its size");
    }
    for (size_t done = 0; done < piece->bytes.size();) {
      ssize_t put = ::pwrite(file.get(), piece->bytes.data() + done, piece->bytes.size() - done,
                             static_cast<off_t>(piece->offset + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return errno_error(errno, "write");
      done += static_cast<size_t>(put);
    }
    end = piece->offset + piece->bytes.size();
  }
  if (end < entry.bytes && ::ftruncate(file.get(), static_cast<off_t>(entry.bytes)) != 0) {
    return errno_error(errno, "write");
  }
  return set_attributes(file.get(), entry);
}

Status TreeWriter::write_link(const TarEntry& entry, const std::string& name) {
  const std::string& target = entry.link_target;
  if (target.empty() || target.size() > kPathBytesMax) return corrupt("a link's target has 1 to 4095 bytes");
  if (::symlinkat(target.c_str(), parent_.fd.get(), name.c_str()) != 0) return errno_error(errno, "make link");
  return set_attributes_at(parent_.fd.get(), name, entry);
}

Status TreeWriter::write_hard_link(const TarEntry& entry, const std::string& name) {
  auto [folder, target] = split_last(TRY(normal_path(entry.link_target)));
  io::Fd from = open_in_root(root_.get(), folder, O_RDONLY | O_DIRECTORY);
  if (!from.is_open() || ::linkat(from.get(), target.c_str(), parent_.fd.get(), name.c_str(), 0) != 0) {
    return corrupt("a hard link to \"" + entry.link_target.substr(0, 200) + "\", which is not there or is a folder");
  }
  return {};
}

Status TreeWriter::write_fifo(const TarEntry& entry, const std::string& name) {
  if (::mkfifoat(parent_.fd.get(), name.c_str(), 0600) != 0) return errno_error(errno, "make fifo");
  TRY(set_attributes_at(parent_.fd.get(), name, entry));  // first: a change of owner clears set-uid
  if (::fchmodat(parent_.fd.get(), name.c_str(), entry.mode, 0) != 0) return errno_error(errno, "set mode");
  return {};
}

Status TreeWriter::remove_lower(int folder, uint64_t inode, const std::string& name, uint64_t depth) {
  struct stat facts {};
  if (::fstatat(folder, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Status() : Status(errno_error(errno, "look up"));
  }
  bool is_ours = written_.contains(key(inode, name));
  if (!S_ISDIR(facts.st_mode)) {
    if (!is_ours && ::unlinkat(folder, name.c_str(), 0) != 0) return errno_error(errno, "remove");
    return {};
  }
  io::Fd below(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!below.is_open()) return errno_error(errno, "open folder");
  TRY(empty_lower(std::move(below), depth + 1));
  // It stays while it holds something of this layer.
  if (!is_ours && ::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOTEMPTY) {
    return errno_error(errno, "remove folder");
  }
  return {};
}

Status TreeWriter::empty_lower(io::Fd folder, uint64_t depth) {
  // Links can make a path deeper than the one in the archive.
  if (depth > kDepthMax) return make_error(Code::Exhausted, "folders are deeper than 256");
  struct stat facts {};
  if (::fstat(folder.get(), &facts) != 0) return errno_error(errno, "read folder");
  std::vector<std::string> names = TRY(names_in(folder.get()));
  looked_at_ += names.size();
  if (looked_at_ > 4 * limits_.entries_max) return make_error(Code::Exhausted, "whiteouts hide too much");
  for (const std::string& name : names) {
    TRY(remove_lower(folder.get(), facts.st_ino, name, depth));
  }
  return {};
}

void TreeWriter::remember(const std::string& name) { written_.insert(key(parent_.inode, name)); }

std::string TreeWriter::key(uint64_t folder_inode, std::string_view name) {
  return std::to_string(folder_inode) + "/" + std::string(name);
}

}  // namespace mcloud::image
