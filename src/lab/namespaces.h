// Starts programs as pid 1 of fresh namespaces: the cluster's root and each node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/process.h"

namespace mcloud::lab {

struct Enclosure {
  io::Command command;
  int output = -1;                   // its 1 and 2
  std::vector<std::string> cgroups;  // files to write "0" to (Cgroups::entrances)
  int netns = -1;                    // network namespace to enter; -1 = a new one
  std::string host_name;             // not "": own UTS and IPC namespaces with this name
  std::string hybrid_mount;          // not "": unmounted inside
};

// Own pid and mount namespaces with a fresh /proc and an empty tmpfs on /run; nothing mounted inside is seen
// outside. Dies by SIGKILL when the calling thread ends; all in it die with its pid 1. What goes wrong between fork
// and exec is written to `output` and ends it with 126. The caller must have one thread.
Result<std::unique_ptr<io::Child>> start_enclosed(Enclosure enclosure);

}  // namespace mcloud::lab
