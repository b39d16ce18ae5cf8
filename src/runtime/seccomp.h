// Docker's seccomp profile (its own JSON: rules that hold for capabilities, processors, kernels) as what the
// OCI runtime specification calls linux.seccomp. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace mcloud::runtime {

struct SeccompTarget {
  std::vector<std::string> capabilities;  // "CAP_CHOWN", ...: of the container
  std::string architecture;               // "amd64", "arm64"
  int kernel_major = 0;
  int kernel_minor = 0;
};

// JSON text of linux.seccomp. The profile Debian ships (containers-common) lets programs make namespaces and
// mounts, as podman does; without CAP_SYS_ADMIN we forbid those as Docker does. Corrupt when it is no such
// profile.
Result<std::string> convert_seccomp(BytesView profile, const SeccompTarget& target);

// This machine's kernel and processor.
SeccompTarget seccomp_target(std::vector<std::string> capabilities);

}  // namespace mcloud::runtime
