#include "gateway/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>   // the map of sites is replaced by the loop while the thread reads
#include <thread>  // lines must be taken while the loop waits for HAProxy
#include <vector>

#include "base/log.h"
#include "gateway/log_lines.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/interrupt.h"

namespace mcloud::gateway {
namespace {

constexpr int kPipeBytes = 1 << 20;
constexpr int kPauseMs = 20;
constexpr size_t kWaitingBytesKept = 256 << 10;

// One site's file, appended to.
class LogFile {
 public:
  LogFile(std::string folder, uint64_t bytes_max) : folder_(std::move(folder)), bytes_max_(bytes_max) {}
  void add(std::string_view head, std::string_view text) { append_line(waiting_, head, text); }
  Status flush() {
    if (waiting_.empty()) return {};
    Status written = write();
    waiting_.clear();  // its memory stays: the next lines need as much
    if (waiting_.capacity() > kWaitingBytesKept) waiting_.shrink_to_fit();
    return written;
  }

 private:
  Status write() {
    TRY(open_if_needed());
    if (bytes_ + waiting_.size() > bytes_max_ && bytes_ > 0) {
      // Another file under the same name: a reader has the old one open and ends it first.
      if (::unlink(path().c_str()) != 0 && errno != ENOENT) return errno_error(errno, "remove " + path());
      file_.reset();
      TRY(open_if_needed());
    }
    ssize_t written = ::write(file_.get(), waiting_.data(), waiting_.size());
    if (written < 0) return errno_error(errno, "write " + path());
    bytes_ += static_cast<uint64_t>(written);
    return {};
  }
  std::string path() const { return folder_ + "/log"; }
  Status open_if_needed() {
    if (file_.is_open()) return {};
    TRY(io::make_folders(folder_, 0755));
    file_ = io::Fd(::open(path().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
    struct stat facts {};
    if (!file_.is_open() || ::fstat(file_.get(), &facts) != 0) return errno_error(errno, "open " + path());
    bytes_ = static_cast<uint64_t>(facts.st_size);
    return {};
  }

  std::string folder_;
  uint64_t bytes_max_;
  std::string waiting_;
  io::Fd file_;
  uint64_t bytes_ = 0;
};

class PipeReader final : public AccessLog {
 public:
  PipeReader(const Options& options, std::map<std::string, std::string> site_of_backend, io::Fd pipe, io::Interrupt stop)
      : options_(options), pipe_(std::move(pipe)), stop_(std::move(stop)), buffer_(kPipeBytes, '\0') {
    set_sites(std::move(site_of_backend));
    thread_ = std::thread([this] { run(); });
  }
  ~PipeReader() override {
    stop_.ring();
    thread_.join();
  }
  void set_sites(std::map<std::string, std::string> site_of_backend) final {
    std::lock_guard lock(mutex_);
    // A worker that ends its last connections still speaks of sites that left.
    for (auto& [backend, site] : site_of_backend) sites_[backend] = std::move(site);
  }

 private:
  void run() {
    while (true) {
      pollfd waiting[] = {{stop_.fd(), POLLIN, 0}, {pipe_.get(), POLLIN, 0}};
      ::poll(waiting, 2, -1);
      if (waiting[1].revents != 0) read();
      flush();
      if (waiting[0].revents != 0 || ::poll(waiting, 1, kPauseMs) > 0) break;
    }
    read();  // the last words: the pipe may end with us
    flush();
  }

  void read() {
    ssize_t got = ::read(pipe_.get(), buffer_.data(), buffer_.size());
    if (got <= 0) return;
    found_.clear();
    lines_.feed(std::string_view(buffer_).substr(0, static_cast<size_t>(got)), found_);
    std::string head = log_head(io::SystemClock().wall_ms() * 1'000'000);
    std::lock_guard lock(mutex_);
    std::string_view backend;
    LogFile* file = nullptr;  // of `backend`: most lines speak of the same one as the line before
    for (std::string_view line : found_) {
      LogMessage parts = cut_message(line);
      if (file == nullptr || parts.backend != backend) file = file_of(backend = parts.backend);
      if (file != nullptr && !parts.text.empty()) file->add(head, parts.text);
    }
  }

  LogFile* file_of(std::string_view backend) {
    auto site = sites_.find(backend);
    if (site == sites_.end()) return nullptr;
    return &files_.try_emplace(site->second, options_.log_folder + "/" + site->second, options_.file_bytes_max).first->second;
  }

  // What a full disk does not take is lost: nobody may wait for it.
  void flush() {
    for (auto& [site, file] : files_) {
      Status flushed = file.flush();
      std::string problem = flushed.has_value() ? "" : flushed.error().message;
      if (!problem.empty() && problem != problem_) log::warning("gateway", "an access log is lost", {{"site", site}, {"error", problem}});
      if (!problem.empty()) problem_ = problem;
    }
    if (files_.size() > 256) files_.clear();  // a site that is quiet holds no descriptor for ever
  }

  const Options options_;
  io::Fd pipe_;
  io::Interrupt stop_;
  LogLines lines_;
  std::vector<std::string_view> found_;
  std::map<std::string, LogFile> files_;
  std::string buffer_;
  std::string problem_;
  std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> sites_;
  std::thread thread_;
};

}  // namespace

Result<io::Fd> open_log_pipe(const std::string& path) {
  if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) return errno_error(errno, "make pipe " + path);
  io::Fd pipe(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  struct stat facts {};
  if (!pipe.is_open() || ::fstat(pipe.get(), &facts) != 0) return errno_error(errno, "open pipe " + path);
  if (!S_ISFIFO(facts.st_mode)) return make_error(Code::Conflict, path + " is no pipe");
  ::fcntl(pipe.get(), F_SETPIPE_SZ, kPipeBytes);  // a smaller one loses more, and is no error
  return pipe;
}

Result<std::unique_ptr<AccessLog>> AccessLog::start(const Options& options, std::map<std::string, std::string> site_of_backend) {
  io::Fd pipe = TRY(open_log_pipe(options.pipe_path));
  io::Interrupt stop = TRY(io::Interrupt::make());
  return std::make_unique<PipeReader>(options, std::move(site_of_backend), std::move(pipe), std::move(stop));
}

}  // namespace mcloud::gateway
