// Inside this shelf: what start, keeper and server share: their descriptors, and how one starts another.
#pragma once

#include <memory>
#include <string>

#include "image/mount/shared_memory.h"
#include "io/process.h"

namespace mcloud::image {

inline constexpr int kFuseNumber = 3, kMemoryNumber = 4, kControlNumber = 5, kAliveNumber = 6;

struct SharedDescriptors {
  io::Fd fuse, control, alive;
  std::unique_ptr<SharedMemory> memory;
};

// What a keeper or server was started with.
Result<SharedDescriptors> inherited_descriptors();
// Our own program in another role ("keeper" or "server"), with all four descriptors, in a session of its own; its
// output goes to FOLDER/imagefs.log. `other` is the process that it watches: ours, or 0 for none.
Result<std::unique_ptr<io::Child>> start_role(const std::string& role, int other, const SharedDescriptors& shared,
                                              const std::string& folder);

// The other of the two processes.
class Peer {
 public:
  // Our child.
  explicit Peer(std::unique_ptr<io::Child> child);
  // Our parent, as it told us by argument; when it is not our parent any more, it is taken for dead.
  static Peer parent(int process);

  int process() const { return process_; }
  // Waits at most `timeout_ms`; true when it has ended.
  bool has_ended(uint64_t timeout_ms);
  void kill();  // SIGKILL

 private:
  Peer() = default;
  std::unique_ptr<io::Child> child_;
  io::Fd pidfd_;
  int process_ = 0;
};

// How long to wait before the next start, so that what dies at once does not burn the machine: nothing at first, at
// most 5 s. Pure.
class Backoff {
 public:
  // After a life of `lived_ms`.
  uint64_t next_ms(uint64_t lived_ms);

 private:
  unsigned failures_ = 0;
};

// The bounded log: when it is larger than 4 MiB it becomes imagefs.log.1, and our output goes to a fresh one.
void bound_log(const std::string& folder);

// Only what serving needs: CAP_SYS_ADMIN (passthrough, unmount) and CAP_DAC_OVERRIDE (caches and stores of others),
// nothing more by exec either, and none of the system calls by which CAP_SYS_ADMIN is more than that (mounts, other
// processes, namespaces, kernel programs and modules). Of the calling thread: before any other is started.
Status drop_privileges();

// No Result: it runs until the mount is stopped.
int run_keeper(SharedDescriptors shared, int server);
int run_server(SharedDescriptors shared, int keeper);

}  // namespace mcloud::image
