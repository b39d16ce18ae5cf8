#include "node/disk_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "io/clock.h"
#include "io/file.h"

namespace mcloud::node {
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
constexpr uint64_t kStatBlock = 512;      // of st_blocks, whatever the file system's is
constexpr uint64_t kEntriesPerLook = 64;  // at the clock

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// Only the deepest folder is open, so that no depth runs out of descriptors; the way back is "..", checked.
class Walk {
 public:
  explicit Walk(const WalkLimits& limits) : limits_(limits), deadline_ms_(clock_.monotonic_ms() + limits.time_max_ms) {}

  Result<DiskUsage> run(const std::string& folder) {
    io::Fd root(::open(folder.c_str(), kFolder));
    struct stat facts{};
    if (!root.is_open() || ::fstat(root.get(), &facts) != 0) return errno_error(errno, "measure " + folder);
    device_ = facts.st_dev;
    usage_.bytes = static_cast<uint64_t>(facts.st_blocks) * kStatBlock;
    if (!enter(std::move(root), facts)) return errno_error(errno, "measure " + folder);
    while (!levels_.empty() && usage_.is_whole) {
      if (levels_.back().folders.empty()) {
        if (!go_up()) usage_.is_whole = false;
      } else {
        go_down();
      }
    }
    return usage_;
  }

 private:
  struct Level {
    ino_t inode = 0;
    std::vector<std::string> folders;  // not entered yet
  };

  bool enter(io::Fd folder, const struct stat& facts) {
    io::Fd listed(::openat(folder.get(), ".", kFolder));
    std::unique_ptr<DIR, CloseFolder> list(listed.is_open() ? ::fdopendir(listed.get()) : nullptr);
    if (list == nullptr) return false;
    listed.release();
    Level level{.inode = facts.st_ino, .folders = {}};
    while (const dirent* entry = ::readdir(list.get())) {
      std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (is_too_much()) break;
      count(folder.get(), entry->d_name, level);
    }
    levels_.push_back(std::move(level));
    here_ = std::move(folder);
    return true;
  }

  void count(int folder, const char* name, Level& level) {
    struct stat facts{};
    if (::fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0 || facts.st_dev != device_) return;
    if (S_ISDIR(facts.st_mode)) level.folders.emplace_back(name);
    bool has_more_names = !S_ISDIR(facts.st_mode) && facts.st_nlink > 1;
    if (has_more_names && !counted_.insert(facts.st_ino).second) return;
    usage_.bytes += static_cast<uint64_t>(facts.st_blocks) * kStatBlock;
  }

  bool is_too_much() {
    bool is_late = ++entries_ % kEntriesPerLook == 0 && clock_.monotonic_ms() >= deadline_ms_;
    if (entries_ > limits_.entries_max || is_late) usage_.is_whole = false;
    return !usage_.is_whole;
  }

  // What went away since it was seen is nothing to count.
  void go_down() {
    std::string name = std::move(levels_.back().folders.back());
    levels_.back().folders.pop_back();
    io::Fd below(::openat(here_.get(), name.c_str(), kFolder));
    struct stat facts{};
    if (!below.is_open() || ::fstat(below.get(), &facts) != 0 || facts.st_dev != device_) return;
    static_cast<void>(enter(std::move(below), facts));
  }

  // False when the folder we are in was moved elsewhere.
  bool go_up() {
    levels_.pop_back();
    if (levels_.empty()) return true;
    io::Fd above(::openat(here_.get(), "..", kFolder));
    struct stat facts{};
    if (!above.is_open() || ::fstat(above.get(), &facts) != 0) return false;
    here_ = std::move(above);
    return facts.st_dev == device_ && facts.st_ino == levels_.back().inode;
  }

  const WalkLimits limits_;
  io::SystemClock clock_;
  const uint64_t deadline_ms_;
  dev_t device_ = 0;
  uint64_t entries_ = 0;
  DiskUsage usage_;
  io::Fd here_;
  std::vector<Level> levels_;
  std::set<ino_t> counted_;  // of several names
};

}  // namespace

Result<DiskUsage> measure_folder(const std::string& folder, const WalkLimits& limits) {
  return Walk(limits).run(folder);
}

}  // namespace mcloud::node
