// A process gives up everything it does not need to turn bytes into bytes, before it looks at a stranger's.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace mcloud::flist {

struct SandboxOptions {
  uint64_t memory_bytes_max = 4ull << 30;  // of address space, unless a smaller bound is set already
  bool has_syscall_filter = true;          // false only in tests, that show what the other layers hold
};

// In layers, each of which holds alone:
//   namespaces   no network, no other processes' IPC, an empty read-only root (where we may make them)
//   landlock     no files (where the kernel has it)
//   limits       no files written, no descriptors, no processes, no core, bounded memory
//   privileges   user and group nobody, no capabilities, none to be gained
//   seccomp      reading and writing what is open, memory, time, the end; all else is EPERM
// Descriptors above 2 are closed. The last two must succeed, or the process must not go on: Internal.
// Irrevocable. For a process with one thread.
Status enter_sandbox(const SandboxOptions& options = {});

}  // namespace mcloud::flist
