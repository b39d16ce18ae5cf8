#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "image/mount/imagefs_process.h"

namespace mcloud::image {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kMachine = 0;  // no filter is made
#endif

constexpr uint32_t kRefused[] = {
    SYS_mount, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_pivot_root,
    SYS_chroot, SYS_setns, SYS_unshare, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd,
    SYS_kcmp, SYS_bpf, SYS_perf_event_open, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
    SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex,
    SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname, SYS_syslog, SYS_keyctl, SYS_add_key, SYS_request_key,
    SYS_userfaultfd, SYS_io_uring_setup, SYS_personality, SYS_open_by_handle_at, SYS_mknodat, SYS_setuid, SYS_setgid};

std::vector<struct sock_filter> refusals() {
  constexpr uint32_t kNumber = offsetof(struct seccomp_data, nr), kArch = offsetof(struct seccomp_data, arch);
  struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  std::vector<struct sock_filter> out = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArch),
                                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0), refuse,
                                         BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
                                         // x86's second numbering of the same calls.
                                         BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x4000'0000, 0, 1), refuse};
  for (uint32_t number : kRefused) {
    out.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    out.push_back(refuse);
  }
  out.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return out;
}

Status refuse_calls() {
  if (kMachine == 0) return {};
  std::vector<struct sock_filter> filter = refusals();
  struct sock_fprog program {static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0) return {};
  // A kernel without seccomp: capabilities are what is left.
  return errno == EINVAL ? Status() : Status(errno_error(errno, "refuse system calls"));
}

}  // namespace

Status drop_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error(errno, "give up new privileges");
  struct __user_cap_header_struct header {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return errno_error(errno, "read capabilities");
  constexpr uint32_t kKept = 1u << CAP_SYS_ADMIN | 1u << CAP_DAC_OVERRIDE;
  data[0] = {data[0].effective & kKept, data[0].permitted & kKept, 0};
  data[1] = {};
  if (::syscall(SYS_capset, &header, data) != 0) return errno_error(errno, "give up capabilities");
  return refuse_calls();
}

}  // namespace mcloud::image
