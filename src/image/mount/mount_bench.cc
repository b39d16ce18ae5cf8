// image_mount_bench FOLDER PROGRAM [FIGURE [ROUNDS]]: packs FOLDER as an image, mounts it with PROGRAM (mcloud-imagefs) and compares an
// overlay on it with an overlay on FOLDER itself, both warm: the figures that a container feels. Needs root, fio, and
// python3 inside FOLDER. Prints one line a figure: ours, theirs, ratio (more than 1 is better for us).
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "image/mount/image_mount.h"
#include "image/mount/test_folder_image.h"
#include "io/clock.h"
#include "io/process.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

std::string shell(const std::string& script) {
  io::Command command;
  command.arguments = {"sh", "-c", script};
  Result<io::Outcome> outcome = io::run(command, {120'000, 64 << 20});
  if (!outcome.has_value() || outcome->exit_code != 0) {
    std::fprintf(stderr, "%s: %s\n", script.c_str(), outcome.has_value() ? outcome->errors.c_str() : outcome.error().message.c_str());
    std::exit(1);
  }
  return outcome->output;
}

double seconds(const std::string& script) {
  uint64_t begin = io::SystemClock().monotonic_ms();
  for (int i = 0; i < 10; ++i) shell(script);
  return static_cast<double>(io::SystemClock().monotonic_ms() - begin) / 10'000;
}

double open_us(const std::string& file) {
  uint64_t begin = io::SystemClock().monotonic_ms();
  for (int i = 0; i < 5'000; ++i) ::close(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return static_cast<double>(io::SystemClock().monotonic_ms() - begin) / 5;
}

double fio(const std::string& file, const std::string& options) {
  return std::atof(shell("fio --name=x --readonly --invalidate=0 --ioengine=psync --time_based --runtime=1 --filename=" + file +
                         " --output-format=terse " + options + " | cut -d ';' -f 7").c_str());
}

std::string wanted;  // one figure only
int rounds = 5;

// Medians of rounds that are taken in turn; the first only warms.
template <typename Measure>
void compare(const char* name, bool less_is_better, const std::string& ours, const std::string& theirs, Measure measure) {
  if (!wanted.empty() && wanted != name) return;
  std::vector<double> a, b;
  for (int round = 0; round <= rounds; ++round) {
    double one = measure(ours), other = measure(theirs);
    if (round == 0) continue;
    a.push_back(one);
    b.push_back(other);
  }
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  std::printf("%-10s ours %12.4f theirs %12.4f ratio %.2f\n", name, a[a.size() / 2], b[a.size() / 2],
              less_is_better ? b[a.size() / 2] / a[a.size() / 2] : a[a.size() / 2] / b[a.size() / 2]);
  std::fflush(stdout);
}

void measure_memory(ImageMount& mount, const Image& image, const std::string& work) {
  // 50 images: the same tree under other digests.
  for (int i = 0; i < 49; ++i) {
    Image other = image;
    other.config = std::to_string(i);
    std::string path = work + "/index-" + std::to_string(i), index = write_index(other);
    static_cast<void>(io::write_file(path, index, io::Durability::None).has_value());
    std::string at = *mount.attach({.digest = image_digest(index).text(), .index_path = path, .routes = {{0, 255, "dir://" + work + "/blocks"}}});
    shell("find " + at + " -ls > /dev/null");
  }
  MountFigures figures = *mount.figures();
  std::printf("passthrough %d reads %lu\n%s", figures.has_passthrough, static_cast<unsigned long>(figures.reads),
              shell("grep -hE 'VmRSS|Rss' /proc/" + std::to_string(figures.process) + "/status /proc/" + std::to_string(figures.keeper) + "/status").c_str());
}

void run(const std::string& folder, const std::string& program, const std::string& work) {
  shell("mkdir -p " + work + "/blocks " + work + "/o/u " + work + "/o/w " + work + "/o/r " + work + "/t/u " + work + "/t/w " + work + "/t/r");
  std::unique_ptr<BlockStore> store = *open_store("dir://" + work + "/blocks");
  FolderImage packed(folder, store.get());
  std::string digest = *packed.write(work + "/index");
  MountOptions options{.folder = work + "/fs", .cache_folder = work + "/cache", .program = program};
  std::unique_ptr<ImageMount> mount = *ImageMount::open(options);
  std::string root = *mount->attach({.digest = digest, .index_path = work + "/index", .routes = {{0, 255, "dir://" + work + "/blocks"}}});
  shell("tar cf - -C " + root + " . | wc -c");
  std::string ours = work + "/o/r", theirs = work + "/t/r";
  auto overlay = [&](const std::string& lower, const std::string& where) {
    shell("mount -t overlay overlay -o lowerdir=" + lower + ",upperdir=" + where + "/u,workdir=" + where + "/w " + where + "/r");
  };
  overlay(root, work + "/o");
  overlay(folder, work + "/t");
  auto unmount_all = [&] {
    shell("umount " + ours + " " + theirs);
    static_cast<void>(mount->stop().has_value());
  };
  std::string large = shell("cd " + folder + " && find . -type f -size +4M | head -1");
  large = "/" + large.substr(0, large.find('\n'));
  for (const std::string& where : {ours, theirs}) shell("cat " + where + large + " > /dev/null");
  compare("seq_kib", false, ours, theirs, [&](const std::string& at) { return fio(at + large, "--rw=read --bs=1M"); });
  compare("rand_kib", false, ours, theirs, [&](const std::string& at) { return fio(at + large, "--rw=randread --bs=4k --norandommap"); });
  compare("find_s", true, ours, theirs, [&](const std::string& at) { return seconds("find " + at + " -xdev > /dev/null"); });
  compare("import_s", true, ours, theirs, [&](const std::string& at) {
    return seconds("chroot " + at + " /usr/bin/python3 -c 'import asyncio, http.server, json, logging, ssl, unittest, urllib.request, email, ctypes, decimal'");
  });
  std::string small = shell("cd " + folder + " && find usr/share -type f -size -9k | head -1");
  small = "/" + small.substr(0, small.find('\n'));
  compare("open_small", true, ours, theirs, [&](const std::string& at) { return open_us(at + small); });
  compare("open_large", true, ours, theirs, [&](const std::string& at) { return open_us(at + large); });
  compare("open_s", true, ours, theirs, [&](const std::string& at) {
    return seconds("find " + at + "/usr/share -xdev -type f -print0 | head -z -n 2000 | xargs -0 cat > /dev/null");
  });
  if (!wanted.empty()) return unmount_all();
  measure_memory(*mount, packed.image(), work);
  unmount_all();
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return std::fputs("image_mount_bench FOLDER PROGRAM [FIGURE [ROUNDS]]\n", stderr), 2;
  if (count > 3) wanted = words[3];
  if (count > 4) rounds = std::atoi(words[4]);
  char work[] = "/tmp/mcloud-mount-bench-XXXXXX";
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || ::mkdtemp(work) == nullptr) {
    return std::fputs("needs root\n", stderr), 2;
  }
  run(words[1], words[2], work);
  shell(std::string("rm -rf ") + work);
  return 0;
}
