// The config.json of the OCI runtime specification for one container, with Docker's defaults. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "runtime/container.h"
#include "runtime/user.h"

namespace mcloud::runtime {

// Docker's 14.
const std::vector<std::string>& default_capabilities();

// A folder or file that stands ready on the host side.
struct ReadyMount {
  std::string source;
  std::string path;       // in the container
  bool read_only = false;
  bool no_programs = false;
};

struct OciInput {
  const ContainerSpec* spec = nullptr;  // borrowed
  ContainerUser user;
  std::string root_folder;
  std::vector<ReadyMount> mounts;       // volumes and files, in the order of their paths
  std::string sysfs_folder;             // "" = a sysfs of the container's own network namespace
  std::string seccomp;                  // JSON text of linux.seccomp
  Bytes seccomp_filter;                 // the same, compiled; "" = the runtime does it
  uint64_t files_max = 0;               // what we may give
};

std::string oci_config(const OciInput& input);
// Its "process" alone, for programs that are run in the container later.
std::string oci_process(const OciInput& input);
// The same process with other arguments. Corrupt when `process` is none.
Result<std::string> with_arguments(BytesView process, const std::vector<std::string>& arguments);

// Invalid, naming the field and what is allowed.
Status check_spec(const ContainerSpec& spec);
Status check_container_id(const std::string& id);
// "", "SIGQUIT", "QUIT" or "3" to a number; Invalid otherwise.
Result<int> signal_number(const std::string& text);

}  // namespace mcloud::runtime
