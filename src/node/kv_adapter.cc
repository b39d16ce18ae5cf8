#include "node/kv_adapter.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/clock.h"
#include "io/file.h"
#include "node/kv_task.h"
#include "wire/resp.h"

namespace mcloud::node {
namespace {

// A stream socket whose every wait ends at the deadline.
class Line {
 public:
  // The socket is opened by its folder's descriptor and never through a link: the container could put one there that
  // leads to a socket of the host.
  static Result<Line> connect(const std::string& folder, uint64_t deadline_ms) {
    io::Fd place(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!place.is_open()) return errno_error(errno, "control folder " + folder);
    io::Fd file(::openat(place.get(), kControlSocket, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file.is_open()) return make_error(Code::Unavailable, "its control socket is not there yet");
    struct stat facts{};
    struct stat owner{};
    if (::fstat(file.get(), &facts) != 0 || ::fstat(place.get(), &owner) != 0)
      return errno_error(errno, "control socket");
    if (!S_ISSOCK(facts.st_mode) || facts.st_uid != owner.st_uid)
      return make_error(Code::Denied, "what is at its control socket's place is none of its sockets");
    Line line(io::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), deadline_ms);
    if (!line.fd_.is_open()) return errno_error(errno, "make a socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string path = "/proc/self/fd/" + std::to_string(file.get());
    std::copy(path.begin(), path.end(), address.sun_path);
    if (::connect(line.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return make_error(Code::Unavailable, "its control socket does not take connections");
    return line;
  }

  Status send(BytesView bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
      } else if (errno == EAGAIN || errno == EINTR) {
        TRY(wait(POLLOUT));
      } else {
        return errno_error(errno, "control socket: send");
      }
    }
    return {};
  }

  Status receive(Bytes& into) {
    char buffer[4096];
    while (true) {
      ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got > 0) {
        into.append(buffer, static_cast<size_t>(got));
        return {};
      }
      if (got == 0) return make_error(Code::Unavailable, "it closed its control connection");
      if (errno != EAGAIN && errno != EINTR) return errno_error(errno, "control socket: receive");
      TRY(wait(POLLIN));
    }
  }

 private:
  Line(io::Fd fd, uint64_t deadline_ms) : fd_(std::move(fd)), deadline_ms_(deadline_ms) {}

  Status wait(short events) const {
    uint64_t now = io::SystemClock().monotonic_ms();
    pollfd waiting{fd_.get(), events, 0};
    int left = static_cast<int>(std::min<uint64_t>(deadline_ms_ > now ? deadline_ms_ - now : 0, 60'000));
    if (::poll(&waiting, 1, left) != 0) return {};
    return make_error(Code::TimedOut, "it does not answer at its control socket");
  }

  io::Fd fd_;
  uint64_t deadline_ms_;
};

}  // namespace

Status make_control_folder(const std::string& folder, uint32_t base_uid) {
  TRY(io::remove_tree(folder));
  TRY(io::make_folders(folder, 0700));
  if (::chown(folder.c_str(), base_uid, base_uid) != 0) return errno_error(errno, "set owner of " + folder);
  return {};
}

Result<std::vector<std::string>> ask_kv(const std::string& folder, const std::vector<std::string>& words,
                                        uint64_t timeout_ms) {
  Line line = TRY(Line::connect(folder, io::SystemClock().monotonic_ms() + timeout_ms));
  TRY(line.send(wire::resp_request({words.begin(), words.end()})));
  Bytes reply;
  while (true) {
    TRY(line.receive(reply));
    if (auto parsed = TRY(parse_kv_reply(reply))) return std::move(*parsed);
    if (reply.size() > kKvReplyBytesMax) return make_error(Code::Corrupt, "its reply is too long");
  }
}

Result<GroupStatus> KvAdapter::ask(const std::string& container, const GroupCommand& command) {
  std::vector<std::string> reply = TRY(ask_kv(folder_ + "/" + container, group_words(command), kTimeoutMs));
  return parse_group_status({reply.begin(), reply.end()});
}

}  // namespace mcloud::node
