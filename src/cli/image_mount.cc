// mcloud image mount | unmount: an image as a folder of this machine, read-only, by a lazy file system of its own.
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "image/mount/image_mount.h"
#include "io/file.h"
#include "io/loop.h"

namespace mcloud::cli {
namespace {

constexpr long kFuseMagic = 0x65735546;
constexpr uint64_t kLookMs = 300;  // whether somebody has unmounted it

struct MountWords {
  std::string file, folder, cache, cache_size = "2GiB", trace_file;
  bool completes = false;
  std::vector<std::string> stores;
};

bool is_image_mount(const std::string& folder) {
  struct statfs facts {};
  // A dead one says so and is one all the same.
  return ::statfs(folder.c_str(), &facts) == 0 ? facts.f_type == kFuseMagic : errno == ENOTCONN;
}

// What a mount needs while it is there: state on /tmp (sockets have short paths), gone afterwards.
class PrivateFolder {
 public:
  static Result<PrivateFolder> make() {
    PrivateFolder folder;
    folder.path_ = "/tmp/mcloud-image-XXXXXX";
    if (::mkdtemp(folder.path_.data()) == nullptr) return errno_error(errno, "make " + std::exchange(folder.path_, ""));
    return folder;
  }
  PrivateFolder(PrivateFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ~PrivateFolder() {
    if (!path_.empty()) static_cast<void>(io::remove_tree(path_));  // what is still mounted in it stays
  }
  const std::string& path() const { return path_; }

 private:
  PrivateFolder() = default;
  std::string path_;
};

Status bind_read_only(const std::string& from, const std::string& to) {
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) != 0) return errno_error(errno, "mount on " + to);
  unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV | MS_NOSUID;
  if (::mount(nullptr, to.c_str(), nullptr, flags, nullptr) == 0) return {};
  int error_number = errno;
  ::umount2(to.c_str(), MNT_DETACH);
  return errno_error(error_number, "mount read-only on " + to);
}

// Until a signal, or until the mount is gone.
void wait_for_end(io::Loop& loop, const std::string& folder) {
  io::Timer timer;
  std::function<void()> look = [&] {
    if (!is_image_mount(folder)) return loop.stop();
    timer = loop.after(kLookMs, look);
  };
  look();
  loop.run();
}

Status write_trace(image::ImageMount& mount, const std::string& digest, const std::string& path) {
  std::string text;
  for (const std::string& line : TRY(mount.trace(digest))) text += line + "\n";
  return io::write_file(path, text, io::Durability::None);
}

Status serve(Desk& desk, const MountWords& words, const ImageFile& file, image::ImageMount& mount,
             const std::string& index_path, io::Loop& loop) {
  image::Attachment attachment{.digest = file.imported.digest.text(), .index_path = index_path,
                               .routes = file.imported.routes, .trace = file.imported.trace, .complete = words.completes};
  for (image::Route& route : TRY(parse_routes(words.stores))) attachment.routes.push_back(std::move(route));
  std::string root = TRY(mount.attach(attachment));
  TRY(io::make_folders(words.folder));
  TRY(bind_read_only(root, words.folder));
  desk.out().document({{"folder", words.folder}, {"digest", attachment.digest}});
  desk.out().line(attachment.digest + " on " + words.folder);
  desk.out().note("Ctrl-C ends it, or: mcloud image unmount " + words.folder);
  wait_for_end(loop, words.folder);
  if (!words.trace_file.empty()) TRY(write_trace(mount, attachment.digest, words.trace_file));
  if (is_image_mount(words.folder) && ::umount2(words.folder.c_str(), MNT_DETACH) != 0)
    return errno_error(errno, "unmount " + words.folder);
  return {};
}

Status mount(Desk& desk, const MountWords& words) {
  if (::geteuid() != 0) return make_error(Code::Denied, "mounting needs root; try: sudo mcloud image mount ...");
  uint64_t cache_bytes = TRY(parse_size(words.cache_size).with_context("--cache-size"));
  if (is_image_mount(words.folder)) return make_error(Code::Conflict, words.folder + " has an image on it already");
  ImageFile file = TRY(open_image_file(words.file));
  // From here on a signal does not end us at once: processes and a mount would be left behind.
  io::Loop loop;
  loop.stop_on_signals();
  PrivateFolder state = TRY(PrivateFolder::make());
  std::string index_path = state.path() + "/index";
  TRY(io::write_file(index_path, file.imported.index, io::Durability::None, 0600));
  image::MountOptions options{.folder = state.path() + "/fs", .cache_folder = words.cache, .cache_bytes_max = cache_bytes};
  if (options.cache_folder.empty()) options.cache_folder = state.path() + "/cache";
  auto served = TRY(image::ImageMount::open(options));
  Status done = serve(desk, words, file, *served, index_path, loop);
  Status stopped = served->stop();
  return done.has_value() ? stopped : done;
}

}  // namespace

Command image_mount_command() {
  auto words = std::make_shared<MountWords>();
  Command command("image mount", "an image as a folder, its content fetched as it is read");
  command.example("mcloud image mount hello.fl /mnt/hello")
      .describe("Read-only, in the foreground until Ctrl-C or `mcloud image unmount`. Needs root and /dev/fuse.")
      .argument("FILE", "a .fl file, or its web address", words->file)
      .argument("FOLDER", "where; made when it is not there", words->folder)
      .option("--cache", "DIR", "keeps what was read for the next time; an absolute path (default: gone at the end)", words->cache)
      .option("--cache-size", "SIZE", "bound of it (default: 2GiB)", words->cache_size)
      .option("--record", "FILE", "at the end, which blocks were waited for: for `mcloud image trace --set`", words->trace_file)
      .flag("--complete", "fetch everything in the background", words->completes)
      .option("--store", "URL", "look there too; repeatable", words->stores)
      .run([words](Desk& desk) { return mount(desk, *words); });
  return command;
}

Command image_unmount_command() {
  auto folder = std::make_shared<std::string>();
  Command command("image unmount", "take an image off a folder");
  command.example("mcloud image unmount /mnt/hello")
      .describe("Conflict while somebody stands in it.")
      .argument("FOLDER", "what `mcloud image mount` was given", *folder)
      .run([folder](Desk& desk) -> Status {
        if (!is_image_mount(*folder)) return make_error(Code::NotFound, "no image is mounted on " + *folder);
        if (::umount2(folder->c_str(), 0) != 0) return errno_error(errno, "unmount " + *folder);
        desk.out().document({{"folder", *folder}});
        return {};
      });
  return command;
}

}  // namespace mcloud::cli
