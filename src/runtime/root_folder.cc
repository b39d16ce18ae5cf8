#include "runtime/root_folder.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/user_range.h"

namespace mcloud::runtime {
namespace {

Status own(const std::string& path, uint32_t user, uint32_t group, unsigned mode) {
  if (::lchown(path.c_str(), user, group) != 0) return errno_error(errno, "set owner of " + path);
  if (::chmod(path.c_str(), mode) != 0) return errno_error(errno, "set mode of " + path);
  return {};
}

Status make_folder(const std::string& path, unsigned mode = 0711) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return errno_error(errno, "make " + path);
  if (::chmod(path.c_str(), mode) != 0) return errno_error(errno, "set mode of " + path);
  return {};
}

// What a folder or file is bound onto.
Status make_mount_point(const std::string& source, const std::string& target) {
  struct stat facts {};
  if (::stat(source.c_str(), &facts) != 0) return errno_error(errno, "mount source " + source);
  if (S_ISDIR(facts.st_mode)) return make_folder(target);
  return io::write_file(target, "", io::Durability::None, 0600);
}

// Changes belong to the image that they were made on: overlayfs does not promise anything on another one.
Status forget_other_image(const ContainerSpec& spec) {
  std::string note = spec.disk_folder + "/image";
  Result<Bytes> made_on = io::read_file(note, 8192);
  if (made_on.has_value() && *made_on == spec.image_root) return {};
  for (const char* name : {"/upper", "/work", "/places"}) TRY(io::remove_tree(spec.disk_folder + name));
  return io::write_file(note, spec.image_root, io::Durability::Fsync, 0600);
}

// An owner in the image as this machine sees it in the container.
uint32_t owner_of(uint32_t id, const ContainerSpec& spec) {
  uint32_t base = spec.is_image_shifted ? spec.base_uid : 0;
  return spec.base_uid + std::min<uint32_t>(id >= base ? id - base : kUserRange, kUserRange - 1);
}

// FOLDER/upper and FOLDER/work of an overlay over the folder that `model` describes.
Status make_layer(const std::string& folder, const struct stat& model, const ContainerSpec& spec) {
  std::string upper = folder + "/upper";
  struct stat facts {};
  if (::lstat(upper.c_str(), &facts) == 0) {
    if (facts.st_uid < spec.base_uid || facts.st_uid >= spec.base_uid + kUserRange) {
      return make_error(Code::Conflict, upper + ": belongs to user id " + std::to_string(facts.st_uid) +
                                            ", not to the range from " + std::to_string(spec.base_uid));
    }
  } else {
    // The upper folder's owner and mode are what the container sees of the folder. Made under another name:
    // a crash in between must not leave one that belongs to nobody.
    std::string fresh = folder + "/.upper-new";
    TRY(io::remove_tree(fresh));
    TRY(make_folder(fresh, 0700));
    TRY(own(fresh, owner_of(model.st_uid, spec), owner_of(model.st_gid, spec), model.st_mode & 07777));
    if (::rename(fresh.c_str(), upper.c_str()) != 0) return errno_error(errno, "make " + upper);
  }
  return make_folder(folder + "/work", 0700);
}

// Under names of ours, so that no character of a data folder's path has a meaning in these options.
void mount_overlay(ChildSteps& steps, const std::string& target, const std::string& lower, const std::string& layer,
                   unsigned long flags) {
  steps.mount("overlay", target, MS_NODEV | flags,
              "lowerdir=" + lower + ",upperdir=" + layer + "/upper,workdir=" + layer + "/work,index=off,metacopy=off");
}

// The root, and what is writable in it. Where only the image's programs are run, the root is made read-only by
// the OCI runtime after it has made the mount points; they lie in memory and nowhere else.
Status prepare_root(const ContainerSpec& spec, const ContainerFolder& folder, ChildSteps& steps,
                    std::vector<ReadyMount>& ready) {
  if (!spec.only_image_programs) {
    mount_overlay(steps, folder.file("rootfs"), folder.file("lower"), folder.file("disk"), 0);
    return {};
  }
  struct stat root {};
  if (::stat(spec.image_root.c_str(), &root) != 0) return errno_error(errno, "image at " + spec.image_root);
  TRY(make_folder(folder.file("points")));
  TRY(make_layer(folder.file("points"), root, spec));
  mount_overlay(steps, folder.file("rootfs"), folder.file("lower"), folder.file("points"), 0);
  for (const std::string& place : writable_places(spec)) {
    std::string target = folder.file("mounts/" + std::to_string(ready.size()));
    TRY(make_folder(target));
    mount_overlay(steps, target, folder.file("lower/" + place), folder.file("disk/places/" + place), MS_NOSUID | MS_NOEXEC);
    ready.push_back({target, "/" + place, false, true});
  }
  return {};
}

}  // namespace

std::vector<std::string> writable_places(const ContainerSpec& spec) {
  std::vector<std::string> places;
  if (spec.read_only) return places;
  for (const char* name : {"etc", "home", "mnt", "root", "run", "srv", "tmp", "var"}) {
    struct stat facts {};
    bool is_folder = ::lstat((spec.image_root + "/" + name).c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
    bool is_taken = std::any_of(spec.mounts.begin(), spec.mounts.end(),
                                [&](const ContainerMount& mount) { return mount.path == std::string("/") + name; });
    if (is_folder && !is_taken) places.push_back(name);
  }
  return places;
}

Status prepare_disk(const ContainerSpec& spec) {
  struct stat root {};
  if (::stat(spec.image_root.c_str(), &root) != 0) return errno_error(errno, "image at " + spec.image_root);
  TRY(io::make_folders(spec.disk_folder, 0700));
  TRY(forget_other_image(spec));
  if (!spec.only_image_programs) return make_layer(spec.disk_folder, root, spec);
  TRY(make_folder(spec.disk_folder + "/places", 0700));
  for (const std::string& place : writable_places(spec)) {
    struct stat facts {};
    std::string model = spec.image_root + "/" + place;
    if (::lstat(model.c_str(), &facts) != 0) return errno_error(errno, "image at " + model);
    std::string folder = spec.disk_folder + "/places/" + place;
    TRY(make_folder(folder, 0700));
    TRY(make_layer(folder, facts, spec));
  }
  return {};
}

Result<std::vector<ReadyMount>> prepare_mounts(const ContainerSpec& spec, const ContainerUser& user,
                                               const ContainerFolder& folder, const io::Fd& user_range,
                                               ChildSteps& steps) {
  for (const char* name : {"lower", "disk", "rootfs", "mounts", "files"}) TRY(make_folder(folder.file(name)));
  steps.bind({spec.image_root, folder.file("lower"), spec.is_image_shifted ? nullptr : &user_range, true});
  steps.bind({spec.disk_folder, folder.file("disk")});
  std::vector<ReadyMount> ready;
  TRY(prepare_root(spec, folder, steps, ready));
  for (const ContainerMount& mount : spec.mounts) {
    if (mount.source.empty()) continue;
    std::string place = folder.file("mounts/" + std::to_string(ready.size()));
    TRY(make_mount_point(mount.source, place));
    steps.bind({mount.source, place, mount.idmapped ? &user_range : nullptr, mount.read_only, spec.only_image_programs});
    ready.push_back({place, mount.path, mount.read_only, spec.only_image_programs});
  }
  for (const ContainerFile& file : spec.files) {
    std::string source = folder.file("files/" + std::to_string(ready.size()));
    std::string place = folder.file("mounts/" + std::to_string(ready.size()));
    TRY(io::write_file(source, file.content, io::Durability::None, 0600));
    TRY(own(source, spec.base_uid + (file.owned_by_user ? user.user : 0),
            spec.base_uid + (file.owned_by_user ? user.group : 0), file.mode));
    TRY(make_mount_point(source, place));
    steps.bind({source, place, nullptr, true, true});
    ready.push_back({place, file.path, true, true});
  }
  return ready;
}

Status prepare_network(const ContainerFolder& folder, const io::Fd& network, const io::Fd& own_network,
                       ChildSteps& steps) {
  TRY(make_folder(folder.file("sys")));
  steps.enter_network(network);
  steps.mount("sysfs", folder.file("sys"), MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  // Docker's defaults.
  steps.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", true);
  steps.write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647", true);
  steps.enter_network(own_network);
  return {};
}

}  // namespace mcloud::runtime
