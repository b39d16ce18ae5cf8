// Inside this room: system calls that a forked child makes before it becomes another program, prepared as
// data, because between fork and exec only async-signal-safe calls are allowed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "io/process.h"

namespace mcloud::runtime {

class ChildSteps {
 public:
  ChildSteps() = default;
  ChildSteps(const ChildSteps&) = delete;
  ChildSteps& operator=(const ChildSteps&) = delete;

  // A mount namespace of its own that still learns of unmounts outside.
  void own_mounts();
  // crun refuses v1 control groups beside an empty v2: in this mount namespace it is not there.
  void hide_folder(const std::string& path);
  // A mount of the folder or file `source` on `target`, without devices and without what is mounted below it.
  // With a user range, owners 0.. on disk appear as its ids.
  struct Bind {
    std::string source;
    std::string target;
    const io::Fd* user_range = nullptr;  // borrowed
    bool read_only = false;
    bool no_programs = false;            // no set-uid, no execution
  };
  void bind(const Bind& bind);
  void mount(const std::string& type, const std::string& target, unsigned long flags, const std::string& options);
  void enter_network(const io::Fd& network);  // borrowed
  // Best effort when `may_fail`.
  void write(const std::string& path, const std::string& text, bool may_fail = false);

  // As write(), by a process of the given pid namespace: settings that belong to one.
  void write_as(const io::Fd& processes, const io::Fd& own_processes, const std::string& path, const std::string& text);

  // Makes `command` do the steps in its child. This object must outlive the start of the command.
  Status attach(io::Command& command);
  // After the child ended or was started: what failed in it, "doing WHAT: error".
  Status outcome();

 private:
  struct Step {
    enum class Kind { OwnMounts, Hide, Bind, Mount, EnterNetwork, Write, WriteAs };
    Kind kind;
    std::string what;  // for people
    std::string source;
    std::string target;
    std::string text;
    unsigned long flags = 0;
    int descriptor = -1;
    int own_descriptor = -1;
    bool may_fail = false;
  };
  struct Failure {
    size_t step;
    int error_number;
  };

  void run() const;  // in the child
  static int run_step(const Step& step);
  static int run_bind(const Step& step);
  static int run_write(const Step& step);
  static int run_write_as(const Step& step);

  std::vector<Step> steps_;
  io::Fd report_;
  io::Fd child_report_;
};

}  // namespace mcloud::runtime
