#include "flist/sandbox.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <vector>

using namespace mcloud;
using namespace mcloud::flist;

namespace {

// What `work` says from inside; it may use what the sandbox allows.
std::string inside(const SandboxOptions& options, const std::function<std::string()>& work) {
  int ends[2];
  REQUIRE_EQ(::pipe(ends), 0);
  pid_t child = ::fork();
  REQUIRE_GE(child, 0);
  if (child == 0) {
    ::dup2(ends[1], 1);
    Status entered = enter_sandbox(options);
    std::string said = entered.has_value() ? work() : entered.error().message;
    [[maybe_unused]] ssize_t written = ::write(1, said.data(), said.size());
    ::syscall(SYS_exit_group, 0);  // a sanitizer would look for leaks in _exit(), and may not
  }
  ::close(ends[1]);
  std::string out;
  char buffer[4096];
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  REQUIRE_EQ(::waitpid(child, &status, 0), child);
  if (status != 0) out += " status " + std::to_string(status);
  return out;
}

struct Attempt {
  const char* name;
  std::function<long()> call;
};

char* const kNoWords[] = {nullptr};
void* const kAnywhere = nullptr;

std::vector<Attempt> attempts() {
  static const pid_t parent = ::getpid();
  return {
      {"open a file", [] { return ::syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY); }},
      {"open by the old call", [] { return ::syscall(SYS_open, "/etc/passwd", O_RDONLY); }},
      {"open the root", [] { return ::syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY); }},
      {"make a file", [] { return ::syscall(SYS_openat, AT_FDCWD, "/x", O_RDWR | O_CREAT, 0600); }},
      {"make a nameless file", [] { return ::syscall(SYS_memfd_create, "x", 0); }},
      {"remove a file", [] { return ::syscall(SYS_unlink, "/etc/passwd"); }},
      {"look at a file", [] { return ::syscall(SYS_access, "/etc/passwd", R_OK); }},
      {"reach the network", [] { return ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }},
      {"reach local sockets", [] { return ::syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }},
      {"reach the kernel", [] { return ::syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0); }},
      {"run a program", [] { return ::syscall(SYS_execve, "/bin/true", kNoWords, kNoWords); }},
      {"fork", [] { return ::syscall(SYS_fork); }},
      {"clone", [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
      {"trace its parent", [] { return ::syscall(SYS_ptrace, PTRACE_ATTACH, parent, 0, 0); }},
      {"signal its parent", [] { return ::syscall(SYS_kill, parent, 0); }},
      {"become root", [] { return ::syscall(SYS_setuid, 0); }},
      {"mount", [] { return ::syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr); }},
      {"leave its root", [] { return ::syscall(SYS_chroot, "/"); }},
      {"make namespaces", [] { return ::syscall(SYS_unshare, CLONE_NEWUSER); }},
      {"run code of its own", [] { return ::syscall(SYS_mmap, kAnywhere, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }},
      {"use io_uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"use bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"change its limits", [] { return ::syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, nullptr); }},
      {"write other memory", [] { return ::syscall(SYS_process_vm_writev, parent, nullptr, 0, nullptr, 0, 0); }},
  };
}

std::string try_all() {
  std::string out;
  for (const Attempt& attempt : attempts()) {
    long got = attempt.call();
    if (got == -1 && errno == EPERM) continue;
    out += std::string(attempt.name) + ": " + (got == -1 ? strerror(errno) : "worked") + "\n";
  }
  return out.empty() ? "nothing" : out;
}

}  // namespace

TEST_CASE("inside the sandbox nothing can be opened, reached, started or gained") {
  CHECK_EQ(inside({}, try_all), "nothing");
}

TEST_CASE("inside the sandbox there is memory, time and what was open") {
  CHECK_EQ(inside({}, [] {
    std::string large(64 << 20, 'x');
    timespec now{};
    bool is_good = ::clock_gettime(CLOCK_MONOTONIC, &now) == 0 && large[large.size() / 2] == 'x';
    return std::string(is_good ? "good" : "bad");
  }), "good");
}

TEST_CASE("without the filter of calls, the other layers hold alone") {
  std::string said = inside({.has_syscall_filter = false}, [] {
    std::string out;
    auto expect = [&](const char* what, bool holds) { out += holds ? "" : std::string(what) + "; "; };
    expect("files", ::open("/etc/passwd", O_RDONLY) == -1);
    expect("root folder", ::open("/", O_RDONLY) == -1);
    expect("new files", ::open("/x", O_RDWR | O_CREAT, 0600) == -1);
    expect("processes", ::fork() == -1);
    expect("user", ::geteuid() == 65'534 && ::getegid() == 65'534);
    expect("becoming root", ::setuid(0) == -1 && ::setresgid(0, 0, 0) == -1);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct had[2] = {};
    ::syscall(SYS_capget, &header, had);
    expect("capabilities", had[0].effective == 0 && had[0].permitted == 0 && had[1].effective == 0 && had[1].permitted == 0);
    expect("bounding set", ::prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0);
    expect("no new privileges", ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    expect("descriptors", ::dup(0) == -1);
    expect("programs", ::execl("/bin/true", "true", nullptr) == -1);
    return out.empty() ? std::string("all hold") : out;
  });
  CHECK_EQ(said, "all hold");
}

TEST_CASE("descriptors that were open are gone, but the first three") {
  int extra = ::open("/dev/null", O_RDONLY);
  CHECK_EQ(inside({}, [extra] {
    char byte;
    return std::string(::read(extra, &byte, 1) == -1 && errno == EBADF ? "gone" : "there");
  }), "gone");
  ::close(extra);
}

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
TEST_CASE("memory beyond the bound is not given") {
  CHECK_EQ(inside({.memory_bytes_max = 1ull << 30}, [] {
    void* pages = ::mmap(nullptr, 2ull << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return std::string(pages == MAP_FAILED ? "refused" : "given");
  }), "refused");
}
#endif
