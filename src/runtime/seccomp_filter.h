// Inside this room: the syscall filter as the kernel takes it. crun would compile it anew at each start, which
// costs more than all the rest of the start; its annotation run.oci.seccomp_bpf_data takes it ready-made.
#pragma once

#include "base/bytes.h"

namespace mcloud::runtime {

// `linux_seccomp`: what convert_seccomp() gives. The bytes of an array of struct sock_filter for this machine.
Result<Bytes> compile_seccomp(BytesView linux_seccomp);

}  // namespace mcloud::runtime
