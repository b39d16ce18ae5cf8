// For tests with the real kernel: a folder with the mount, a cache, a store and reference trees, all of the test's own.
#pragma once

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>

#include "image/mount/image_mount.h"
#include "image/mount/test_folder_image.h"
#include "io/process.h"
#include "testing/source_tree.h"
#include "testing/temporary_folder.h"

namespace mcloud::image {

// build/PRESET/mcloud-imagefs, from build/PRESET/src/image/image_test.
inline std::string test_program() {
  char path[4096];
  ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  std::string self(path, static_cast<size_t>(length));
  for (int up = 0; up < 3; ++up) self = self.substr(0, self.find_last_of('/'));
  return self + "/mcloud-imagefs";
}

// Why no mount can be tried here; "" when it can.
inline std::string no_mounts_reason() {
  if (::geteuid() != 0) return "needs root";
  if (!io::exists("/dev/fuse")) return "needs /dev/fuse";
  return "";
}

class MountWorld {
 public:
  MountWorld() : store_(*open_store("dir://" + (folder / "blocks"))) {
    // Once for the test program: mounts of the tests are nobody else's, and end with it.
    static const bool is_private =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    REQUIRE(is_private);
    options_.folder = folder / "fs";
    options_.cache_folder = folder / "cache";
    options_.program = test_program();
    options_.block_timeout_ms = 2'000;
    REQUIRE(io::make_folders(reference()).has_value());
    REQUIRE(io::make_folders(folder / "blocks").has_value());
  }
  ~MountWorld() {
    if (mount_ == nullptr) return;
    Status stopped = mount_->stop();
    CHECK_MESSAGE(stopped.has_value(), stopped.error().message);
    if (!stopped.has_value()) ::umount2((folder / "fs/mount").c_str(), MNT_DETACH);
  }

  std::string reference() const { return folder / "reference"; }
  MountOptions& options() { return options_; }
  ImageMount& mount() {
    if (mount_ == nullptr) reopen();
    return *mount_;
  }
  // As an agent that starts anew.
  void reopen() {
    Result<std::unique_ptr<ImageMount>> opened = ImageMount::open(options_);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    mount_ = std::move(*opened);
  }
  // Packs `folder_path` and describes it.
  Attachment pack(const std::string& folder_path) {
    FolderImage packed(folder_path, store_.get());
    Attachment out;
    out.index_path = folder / ("index-" + std::to_string(packed_++));
    Result<std::string> digest = packed.write(out.index_path);
    REQUIRE_MESSAGE(digest.has_value(), digest.error().message);
    out.digest = *digest;
    out.routes = {{0x00, 0xff, "dir://" + (folder / "blocks")}};
    return out;
  }
  // The root folder of `folder_path` as an image.
  std::string attach(const Attachment& attachment) {
    Result<std::string> root = mount().attach(attachment);
    REQUIRE_MESSAGE(root.has_value(), root.error().message);
    return *root;
  }
  MountFigures figures() {
    Result<MountFigures> figures = mount().figures();
    REQUIRE_MESSAGE(figures.has_value(), figures.error().message);
    return *figures;
  }
  std::string log() const { return io::read_file(folder / "fs/imagefs.log").value_or(""); }

  testing::TemporaryFolder folder;

 private:
  std::unique_ptr<BlockStore> store_;
  MountOptions options_;
  std::unique_ptr<ImageMount> mount_;
  int packed_ = 0;
};

// What a shell says; its errors are part of it. Bounded: nothing here may hang.
inline std::string shell(const std::string& script, uint64_t timeout_ms = 20'000) {
  io::Command command;
  command.arguments = {"sh", "-c", script};
  io::Limits limits;
  limits.timeout_ms = timeout_ms;
  limits.output_bytes_max = 16 << 20;
  Result<io::Outcome> outcome = io::run(command, limits);
  if (!outcome.has_value()) return "FAILED " + outcome.error().message;
  return outcome->output + outcome->errors;
}

}  // namespace mcloud::image

#define TEST_CASE_MOUNTS(name) TEST_CASE(name* doctest::skip(!::mcloud::image::no_mounts_reason().empty()))
