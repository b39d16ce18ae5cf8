// Inside this room: the Runtime over crun and conmon.
#pragma once

#include "runtime/cgroup.h"
#include "runtime/child_steps.h"
#include "runtime/container.h"
#include "runtime/container_folder.h"
#include "runtime/oci_config.h"

namespace mcloud::runtime {

class CrunRuntime final : public Runtime {
 public:
  struct Seccomp {
    std::string profile;  // linux.seccomp
    Bytes filter;         // compiled
  };
  CrunRuntime(const RuntimeOptions& options, Cgroups cgroups, Seccomp seccomp, io::Fd exits)
      : options_(options), cgroups_(std::move(cgroups)), seccomp_(std::move(seccomp)), exits_(std::move(exits)) {}

  Status start(const ContainerSpec& spec) override;
  Result<ContainerStatus> status(const std::string& id) override;
  Result<ContainerUsage> usage(const std::string& id) override;
  Status stop(const std::string& id, uint64_t grace_ms) override;
  Status remove(const std::string& id) override;
  Result<std::vector<std::string>> list() override;
  Result<ExecOutcome> exec(const std::string& id, const std::vector<std::string>& arguments,
                           uint64_t timeout_ms) override;
  Result<std::vector<std::string>> wait_for_exits(uint64_t timeout_ms) override;
  Status sweep() override;

  Result<int> process_of(const std::string& id) override;

 private:
  ContainerFolder folder_of(const std::string& id) const { return ContainerFolder(options_.folder, id); }
  std::string group_of(const std::string& id) const { return options_.cgroup_parent + "/" + id; }
  std::string monitors_group() const { return options_.cgroup_parent + "/_monitors"; }

  Status make(const ContainerSpec& spec, const ContainerFolder& folder);
  Status let_go(const ContainerSpec& spec, const ContainerFolder& folder);
  void begin_crun(ChildSteps& steps) const;
  Result<io::Outcome> run_crun(std::vector<std::string> arguments, uint64_t timeout_ms) const;
  Result<io::Outcome> run_crun(std::vector<std::string> arguments, uint64_t timeout_ms, ChildSteps& steps) const;
  Result<ExecOutcome> run_inside(const std::string& id, const std::string& process_file, const std::string& group,
                                 uint64_t timeout_ms) const;
  ContainerStatus running_status(const std::string& id, const ContainerFolder& folder) const;
  bool was_let_go(const std::string& id) const;
  Status kill_all(const std::string& id, const ContainerFolder& folder);

  RuntimeOptions options_;
  Cgroups cgroups_;
  Seccomp seccomp_;
  io::Fd exits_;  // inotify on the folder of exit codes
};

}  // namespace mcloud::runtime
