// Containers on this machine: crun starts them, one conmon each watches them, so the end of this process
// ends none. All mounts of a container live in the mount namespace of its conmon and go with it; its state
// lies on tmpfs below the runtime folder and another Runtime finds it there again.
//
// Everything blocks and has a deadline; any thread may call. Calls about one container are not made at the
// same time (the caller keeps an order per container).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::runtime {

// A folder of this machine, or memory, inside the container.
struct ContainerMount {
  std::string source;       // host folder or file; "" = a tmpfs
  std::string path;         // absolute, in the container; made when missing
  bool read_only = false;
  bool idmapped = true;     // owners 0..65535 on disk are the container's 0..65535 (volumes)
  uint64_t bytes_max = 64 << 20;  // of a tmpfs
};

// A file given by content: /etc/hosts, secrets. Kept on tmpfs only, bind-mounted read-only.
struct ContainerFile {
  std::string path;         // absolute, in the container
  std::string content;      // at most 1 MiB
  unsigned mode = 0444;     // 0400 for secrets
  bool owned_by_user = false;  // by the user the process runs as; otherwise by the container's root
};

struct ContainerLimits {
  uint64_t cpu_milli = 0;      // thousandths of a core; 0 = no bound
  uint64_t memory_bytes = 0;   // 0 = no bound
  uint64_t pids = 512;         // 0 = no bound
  uint64_t files_max = 1024;   // open files; lowered to our own hard limit when we may not pass it
};

struct ContainerSpec {
  std::string id;                        // [a-z0-9][a-z0-9.-]{0,63}
  std::string image_root;                // lower folder, owners 0..65535 (image::PreparedImage::root_folder)
  bool is_image_shifted = false;         // base_uid is added to the owners already: nothing is to be mapped
  std::string disk_folder;               // this container's own, for its changes; another image starts afresh
  uint32_t base_uid = 0;                 // of the contract's own range of 65,536; never below 65,536
  std::vector<std::string> arguments;    // entrypoint and command; [0] is found through the container's PATH
  std::vector<std::string> environment;  // "NAME=value"; PATH is added when missing; may be secret
  std::string working_folder = "/";
  std::string user;                      // "", "name", "uid", each with ":group"; looked up in the container's files
  std::string hostname;
  std::vector<ContainerMount> mounts;
  std::vector<ContainerFile> files;
  std::string network_namespace;         // path; "" = a new one without any link
  ContainerLimits limits;
  bool read_only = false;                // root file system
  // Nothing but the image's own files is executed: the root is read-only, /tmp, /var and their like
  // (runtime/root_folder.h), volumes and memory are mounted noexec. Interpreters of the image still read scripts.
  bool only_image_programs = false;
  std::string log_path;                  // k8s-file format, see runtime/logs.h; its folder exists
  uint64_t log_bytes_max = 8 << 20;      // the log starts afresh there
  std::string stop_signal;               // "" = SIGTERM; "SIGQUIT", "QUIT", "3"
};

enum class ContainerState { Created, Running, Stopped };

struct ContainerStatus {
  ContainerState state = ContainerState::Created;
  int pid = 0;                        // in our pid namespace; 0 when stopped
  std::optional<int> exit_code;       // Stopped: 128 + signal when killed by one; none when nobody saw it
  bool out_of_memory = false;         // the kernel killed something in it for its memory limit
  std::string note;                   // for whoever asks on behalf of others: more than the exit code says; "" here
  uint64_t started_ms = 0;            // wall clock; 0 = was not started
  uint64_t finished_ms = 0;
};

struct ContainerUsage {
  uint64_t cpu_ns = 0;
  uint64_t memory_bytes = 0;
  uint64_t pids = 0;
};

struct ExecOutcome {
  int exit_code = 0;    // 128 + signal when killed by one
  std::string output;   // standard output, at most 64 KiB
  std::string errors;
};

struct RuntimeOptions {
  std::string folder;                     // on tmpfs (checked): config.json with secrets lies there; short (sockets)
  std::string cgroup_parent;              // "mcloud-x/node-y": below it one group per container
  std::string crun = "crun";
  std::string conmon = "conmon";
  std::string seccomp_profile = "/usr/share/containers/seccomp.json";  // Docker's format
  uint64_t start_timeout_ms = 30'000;
};

class Runtime {
 public:
  // Unavailable, saying what is missing, when this machine cannot run containers. Touches nothing that runs.
  static Result<std::unique_ptr<Runtime>> open(const RuntimeOptions& options);
  virtual ~Runtime() = default;

  // Returns when the process runs. AlreadyExists while something of an earlier `id` is left: remove() it.
  // On any other error nothing is left. Invalid: the spec (a user that is not there, ...); NotFound: the
  // program is not in the image.
  virtual Status start(const ContainerSpec& spec) = 0;
  // NotFound when there is nothing of `id`.
  virtual Result<ContainerStatus> status(const std::string& id) = 0;
  virtual Result<ContainerUsage> usage(const std::string& id) = 0;
  // The stop signal, after `grace_ms` SIGKILL. Fine when it has stopped. TimedOut when it cannot be killed.
  virtual Status stop(const std::string& id, uint64_t grace_ms) = 0;
  // Kills what runs, then processes, cgroup and runtime state go; absent is fine. disk_folder and log stay:
  // start() with the same disk_folder goes on with its files.
  virtual Status remove(const std::string& id) = 0;
  // Everything that remove() could be called on, sorted; also what a crash left half-made (state Created).
  virtual Result<std::vector<std::string>> list() = 0;
  // Runs a program in a running container as its user, under its limits. TimedOut kills it and its children.
  virtual Result<ExecOutcome> exec(const std::string& id, const std::vector<std::string>& arguments,
                                   uint64_t timeout_ms) = 0;
  // The pid of its first process: its namespaces are below /proc/PID/ns. Unavailable when it does not run.
  virtual Result<int> process_of(const std::string& id) = 0;
  // Waits until containers exit: ids that exited since the last call (or since open()), sorted; none after
  // `timeout_ms`. For one thread. A hint that saves polling: status() is the truth.
  virtual Result<std::vector<std::string>> wait_for_exits(uint64_t timeout_ms) = 0;
  // After a crash of ours, before anything else: removes what is below the cgroup parent and belongs to no
  // container of list(), and ends programs of exec() that outlived their caller.
  virtual Status sweep() = 0;
};

}  // namespace mcloud::runtime
