#include "io/mapping.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/check.h"

namespace mcloud::io {
namespace {

// Where a copy of this thread goes back to when its source cannot be read; nullptr: no copy is under way.
thread_local sigjmp_buf* t_escape = nullptr;
struct sigaction g_before;

void on_bus_error(int signal, siginfo_t* info, void* context) {
  if (t_escape != nullptr) siglongjmp(*t_escape, 1);
  if ((g_before.sa_flags & SA_SIGINFO) != 0 && g_before.sa_sigaction != nullptr) {
    return g_before.sa_sigaction(signal, info, context);
  }
  if (g_before.sa_handler != SIG_DFL && g_before.sa_handler != SIG_IGN) return g_before.sa_handler(signal);
  ::signal(SIGBUS, SIG_DFL);  // back to the same instruction, which ends the process
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;  // left by a jump: the signal must not stay blocked
    CHECK(sigaction(SIGBUS, &action, &g_before) == 0);
  });
}

// Nothing with a destructor lives in here: the jump skips them.
bool copy_or_escape(char* to, const char* from, size_t size) {
  sigjmp_buf escape;
  if (sigsetjmp(escape, 0) != 0) {
    t_escape = nullptr;
    return false;
  }
  t_escape = &escape;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(to, from, size);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  t_escape = nullptr;
  return true;
}

class SystemMapping final : public Mapping {
 public:
  SystemMapping(const char* bytes, uint64_t size, std::string path)
      : bytes_(bytes), size_(size), path_(std::move(path)) {}
  ~SystemMapping() override { ::munmap(const_cast<char*>(bytes_), size_); }
  SystemMapping(const SystemMapping&) = delete;
  SystemMapping& operator=(const SystemMapping&) = delete;

  Status read(uint64_t offset, char* to, size_t size) const override {
    if (offset > size_ || size > size_ - offset) {
      return make_error(Code::Invalid, "read " + path_ + ": beyond what is mapped");
    }
    if (!copy_or_escape(to, bytes_ + offset, size)) {
      return make_error(Code::Unavailable,
                        "read " + path_ + " at " + std::to_string(offset) + ": the disk cannot give it");
    }
    return {};
  }
  uint64_t size() const override { return size_; }

  void prefetch(uint64_t offset, size_t size) const override {
    constexpr size_t kCacheLineBytes = 64;
    uint64_t end = std::min(size_, offset + size);
    // Without a page there it does nothing: no fault, no signal.
    for (uint64_t at = offset; at < end; at += kCacheLineBytes) __builtin_prefetch(bytes_ + at);
  }

 private:
  const char* bytes_;
  uint64_t size_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<Mapping>> map_file(int fd, uint64_t size, const std::string& path) {
  if (size == 0) return make_error(Code::Invalid, "map " + path + ": nothing to map");
  install_handler();
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return errno_error(errno, "map " + path);
  ::madvise(bytes, size, MADV_RANDOM);  // keys are read at random; a scan reads whole blocks of its own
  return std::make_unique<SystemMapping>(static_cast<const char*>(bytes), size, path);
}

}  // namespace mcloud::io
