// The program mcloud-imagefs: the lazy file system of a node, as two processes that start each other again.
//
//   start    mounts, makes what both share, starts the keeper, ends (exit code and stderr tell whether it worked)
//   keeper   holds the descriptors; starts the server, and again when it dies
//   server   answers the kernel; starts a keeper when that dies
//
// Both hold /dev/fuse (3), the shared memory (4), the control socket (5) and the lock FOLDER/alive (6).
#pragma once

#include <string>
#include <vector>

namespace mcloud::image {

// main() without its first argument. Returns the exit code.
int run_imagefs(const std::vector<std::string>& arguments);

}  // namespace mcloud::image
