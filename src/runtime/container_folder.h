// Inside this room: what one container has below the runtime folder (tmpfs). Its presence is the container's
// existence; a step of the start leaves its file here, so that a Runtime started later knows how far it got.
//
//   FOLDER/containers/ID/   0711, like all above it: the container's root walks through it
//     config.json  0600     mounts of conmon's mount namespace: lower/ disk/ rootfs/ sys/ mounts/N
//     process.json 0600     its process, as exec starts others
//     conmon.pid            written by conmon when it runs
//     pid                   written by crun when the container is made
//     process, monitor      "PID START" of the container's first process and of conmon
//     started               wall clock in ms; the process is let go next
//     signal                number of the stop signal
//     files/N               content of files
//   FOLDER/exits/ID         exit code, written by conmon
#pragma once

#include <optional>
#include <string>

#include "runtime/process_identity.h"

namespace mcloud::runtime {

class ContainerFolder {
 public:
  ContainerFolder(const std::string& runtime_folder, const std::string& id)
      : path_(runtime_folder + "/containers/" + id), exit_path_(runtime_folder + "/exits/" + id) {}

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& exit_path() const { return exit_path_; }
  bool is_there() const { return io::exists(path_); }

  // AlreadyExists when it is there.
  Status create() const;
  Status remove() const;

  Status write(const std::string& name, const std::string& text) const;
  std::optional<ProcessIdentity> identity(const std::string& name) const;
  // A whole number in a file; nullopt when the file is missing or is no number.
  std::optional<uint64_t> number(const std::string& name) const;
  // From conmon's pid file, which has no start time: only right after it was written.
  Result<int> pid_in(const std::string& name) const;

  struct Exit {
    int code = 0;
    uint64_t wall_ms = 0;
  };
  std::optional<Exit> exit() const;

 private:
  std::string path_;
  std::string exit_path_;
};

}  // namespace mcloud::runtime
