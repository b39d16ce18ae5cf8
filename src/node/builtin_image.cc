#include "node/builtin_image.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "crypto/hash.h"
#include "io/file.h"
#include "node/kv_task.h"

namespace mcloud::node {
namespace {

constexpr const char* kProgram = "/usr/bin/mcloud";
constexpr size_t kFileBytesMax = 1 << 30;

struct Loaded {
  std::string interpreter;
  std::vector<std::string> libraries;
};

// The program itself has no name; the kernel's own library has no file.
int note_loaded(dl_phdr_info* info, size_t, void* into) {
  auto& loaded = *static_cast<Loaded*>(into);
  std::string name = info->dlpi_name == nullptr ? "" : info->dlpi_name;
  if (name.starts_with('/')) loaded.libraries.push_back(name);
  if (!name.empty()) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type == PT_INTERP) loaded.interpreter = reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr);
  }
  return 0;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

Status copy_file(const std::string& from, const std::string& to) {
  io::Fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source.is_open()) return errno_error(errno, "open " + from);
  io::Fd target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
  if (!target.is_open()) return errno_error(errno, "make " + to);
  while (true) {
    ssize_t copied = ::sendfile(target.get(), source.get(), nullptr, 8 << 20);
    if (copied == 0) break;
    if (copied < 0 && errno != EINTR) return errno_error(errno, "copy " + from);
  }
  if (::fchmod(target.get(), 0755) != 0) return errno_error(errno, "set mode of " + to);
  return {};
}

}  // namespace

Result<std::vector<BuiltinImage::File>> BuiltinImage::loaded_files() {
  Loaded loaded;
  ::dl_iterate_phdr(note_loaded, &loaded);
  std::set<std::string> places(loaded.libraries.begin(), loaded.libraries.end());
  if (!loaded.interpreter.empty()) places.insert(loaded.interpreter);
  std::vector<File> files = {{"/proc/self/exe", kProgram}};
  for (const std::string& place : places) {
    if (place == kProgram) return make_error(Code::Unsupported, std::string(kProgram) + " is loaded as a library");
    files.push_back({place, place});
  }
  return files;
}

Result<std::unique_ptr<BuiltinImage>> BuiltinImage::open(std::string folder) {
  std::vector<File> files = TRY(loaded_files());
  TRY(io::make_folders(folder, 0700));
  return std::unique_ptr<BuiltinImage>(new BuiltinImage(std::move(folder), std::move(files)));
}

// Over each place and the hash of its content, so that nothing can move from one to the other.
Result<std::string> BuiltinImage::hash_of(const std::string& root) const {
  Bytes all;
  for (const File& file : files_) {
    Bytes content = TRY(io::read_file(root.empty() ? file.source : root + file.place, kFileBytesMax));
    all += crypto::blake2b(file.place).bytes();
    all += crypto::blake2b(content).bytes();
  }
  return crypto::blake2b(all).hex();
}

Status BuiltinImage::copy_into(const std::string& root) const {
  for (const char* name : {"/proc", "/sys", "/dev", "/etc", "/run", "/tmp", "/data"}) {
    TRY(io::make_folders(root + name, 0755));
  }
  for (const File& file : files_) {
    TRY(io::make_folders(root + folder_of(file.place), 0755));
    TRY(copy_file(file.source, root + file.place));
  }
  return {};
}

// The folder's name. A copy that a power loss cut short does not have the hash it is named by.
Result<std::string> BuiltinImage::make() {
  std::string hash = TRY(hash_of(""));
  std::string finished = folder_ + "/" + hash;
  Result<std::string> there = io::exists(finished) ? hash_of(finished + "/root") : std::string();
  if (there.has_value() && *there == hash) return finished;
  std::string fresh = folder_ + "/unfinished-" + hash;
  TRY(io::remove_tree(fresh));
  TRY(io::make_folders(fresh + "/root", 0755));
  TRY(copy_into(fresh + "/root"));
  if (TRY(hash_of(fresh + "/root")) != hash)
    return make_error(Code::Unavailable, "the program's files changed while they were copied");
  TRY(io::remove_tree(finished));
  if (::rename(fresh.c_str(), finished.c_str()) != 0) return errno_error(errno, "rename " + fresh);
  return finished;
}

Result<image::PreparedImage> BuiltinImage::prepare() {
  std::lock_guard lock(mutex_);
  if (made_) return *made_;
  std::string folder = TRY(make().with_context("the built-in image"));
  image::PreparedImage image;
  image.digest = kBuiltinImage;
  image.root_folder = folder + "/root";
  // The loader looks in its own folders by itself; a program that was started with others needs them named.
  std::string libraries;
  std::set<std::string> folders;
  for (const File& file : files_) {
    if (file.place != kProgram) folders.insert(folder_of(file.place));
  }
  for (const std::string& one : folders) libraries += (libraries.empty() ? "" : ":") + one;
  image.config.environment = {"LD_LIBRARY_PATH=" + libraries};
  made_ = image;
  return image;
}

Status BuiltinImage::sweep(const std::set<std::string>& used) {
  std::lock_guard lock(mutex_);
  for (const std::string& name : TRY(io::list_folder(folder_))) {
    std::string root = folder_ + "/" + name + "/root";
    if (used.contains(root) || (made_ && made_->root_folder == root)) continue;
    TRY(io::remove_tree(folder_ + "/" + name));
  }
  return {};
}

}  // namespace mcloud::node
