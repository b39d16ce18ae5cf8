#include "flist/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

namespace mcloud::flist {
namespace {

constexpr unsigned kNobody = 65'534;

Error failed(const char* what) { return make_error(Code::Internal, std::string("sandbox: ") + what + " failed"); }

// An empty file system becomes the root, and the old one is let go.
void enter_empty_root() {
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return;
  for (const char* place : {"/tmp", "/run", "/proc"}) {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (::mount("none", place, "tmpfs", kFlags, "size=4k,nr_inodes=2,mode=555") != 0) continue;
    ::mount("none", place, nullptr, kFlags | MS_REMOUNT | MS_RDONLY, nullptr);
    if (::chdir(place) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0) continue;
    static_cast<void>(::umount2(".", MNT_DETACH));
    static_cast<void>(!::chdir("/"));
    return;
  }
}

void enter_namespaces() {
  constexpr int kSpaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWCGROUP;
  bool has_root = ::unshare(kSpaces) == 0 || ::unshare(kSpaces | CLONE_NEWUSER) == 0;
  if (has_root) enter_empty_root();
}

// A rule set that handles every right it knows and allows none.
void forbid_files() {
  auto version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return;
  constexpr uint64_t kRights[] = {(1ull << 13) - 1, (1ull << 14) - 1, (1ull << 15) - 1};  // versions 1, 2, 3 and later
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = kRights[std::min(version, 3l) - 1];
  auto rules = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
  if (rules < 0) return;
  ::syscall(SYS_landlock_restrict_self, rules, 0);
  ::close(rules);
}

Status set_limits(uint64_t memory_bytes_max) {
  for (int what : {RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE}) {
    rlimit none{0, 0};
    if (::setrlimit(static_cast<__rlimit_resource>(what), &none) != 0) return failed("setrlimit");
  }
  rlimit descriptors{3, 3};
  if (::setrlimit(RLIMIT_NOFILE, &descriptors) != 0) return failed("setrlimit");
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)  // their shadows are terabytes of addresses
  rlimit memory{};
  if (::getrlimit(RLIMIT_AS, &memory) != 0) return failed("getrlimit");
  memory.rlim_max = std::min<rlim_t>(memory.rlim_max, memory_bytes_max);
  memory.rlim_cur = std::min(memory.rlim_cur, memory.rlim_max);
  if (::setrlimit(RLIMIT_AS, &memory) != 0) return failed("setrlimit");
#else
  static_cast<void>(memory_bytes_max);
#endif
  return {};
}

Status drop_privileges() {
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int capability = 0; capability <= 63; ++capability) ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (::geteuid() == 0) {
    if (::setgroups(0, nullptr) != 0) return failed("setgroups");
    if (::setresgid(kNobody, kNobody, kNobody) != 0) return failed("setresgid");
    if (::setresuid(kNobody, kNobody, kNobody) != 0) return failed("setresuid");
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0) return failed("capset");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // a change of user has cleared it
  return {};
}

// Whatever else is asked for is EPERM: libraries that look for a file or the time zone go on without.
Status filter_syscalls() {
  std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release);
  if (filter == nullptr) return failed("seccomp_init");
  constexpr int kAllowed[] = {
      SCMP_SYS(read),          SCMP_SYS(pread64),     SCMP_SYS(write),        SCMP_SYS(writev),
      SCMP_SYS(lseek),         SCMP_SYS(fstat),       SCMP_SYS(close),        SCMP_SYS(brk),
      SCMP_SYS(munmap),        SCMP_SYS(mremap),      SCMP_SYS(madvise),      SCMP_SYS(futex),
      SCMP_SYS(getrandom),     SCMP_SYS(getpid),      SCMP_SYS(gettid),       SCMP_SYS(clock_gettime),
      SCMP_SYS(gettimeofday),  SCMP_SYS(sched_yield), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
      SCMP_SYS(restart_syscall), SCMP_SYS(exit),      SCMP_SYS(exit_group),
  };
  for (int call : kAllowed) {
    if (seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) != 0) return failed("seccomp_rule_add");
  }
  // Memory, but never to be executed. abort() may signal, but nobody else.
  const scmp_arg_cmp not_executable{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  const scmp_arg_cmp to_itself{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid()), 0};
  const std::pair<int, scmp_arg_cmp> conditions[] = {
      {SCMP_SYS(mmap), not_executable}, {SCMP_SYS(mprotect), not_executable}, {SCMP_SYS(tgkill), to_itself}};
  for (const auto& [call, condition] : conditions) {
    if (seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &condition) != 0) return failed("seccomp_rule_add");
  }
  if (seccomp_load(filter.get()) != 0) return failed("seccomp_load");
  return {};
}

}  // namespace

Status enter_sandbox(const SandboxOptions& options) {
  if (::syscall(SYS_close_range, 3u, UINT_MAX, 0) != 0) return failed("close_range");
  enter_namespaces();
  // Landlock asks for it, and for a descriptor: before the limits.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  forbid_files();
  TRY(set_limits(options.memory_bytes_max));
  TRY(drop_privileges());
  if (options.has_syscall_filter) TRY(filter_syscalls());
  return {};
}

}  // namespace mcloud::flist
