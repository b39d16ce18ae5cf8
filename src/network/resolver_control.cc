#include "network/resolver_control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "io/clock.h"

namespace mcloud::network {
namespace {

constexpr size_t kAnswerBytesMax = 64 << 10;
constexpr int kCommandBytesMax = 4 << 20;
constexpr const char* kMagic = "UBCT1 ";  // version 1 of the protocol

Result<io::Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return make_error(Code::Invalid, path + ": too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  int room = kCommandBytesMax;
  static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room));
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return make_error(Code::Unavailable, "unbound does not listen on " + path + ": " + std::strerror(errno));
  }
  return fd;
}

// At once or not at all: unbound's one thread must never wait for the second half.
Status send_whole(const io::Fd& fd, const std::string& text) {
  ssize_t sent = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(text.size())) return {};
  return make_error(Code::Unavailable, "unbound takes no command");
}

Result<std::string> read_answer(const io::Fd& fd, uint64_t deadline_ms) {
  std::string answer;
  while (true) {
    uint64_t now = io::SystemClock().monotonic_ms();
    pollfd waiting{fd.get(), POLLIN, 0};
    int ready = now >= deadline_ms ? 0 : ::poll(&waiting, 1, static_cast<int>(deadline_ms - now));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return make_error(Code::TimedOut, "unbound does not answer");
    char buffer[4096];
    ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    // It closes without reading the rest when it refuses a command: a reset then, after the answer.
    if (got <= 0) break;
    if (answer.size() + static_cast<size_t>(got) > kAnswerBytesMax) {
      return make_error(Code::Corrupt, "unbound's answer has no end");
    }
    answer.append(buffer, static_cast<size_t>(got));
  }
  if (answer.empty()) return make_error(Code::Unavailable, "unbound closed without an answer");
  if (answer.starts_with("error")) {
    return make_error(Code::Invalid, "unbound: " + answer.substr(0, std::min(answer.find('\n'), size_t{200})));
  }
  return answer;
}

// Of each record its name, once.
std::vector<std::string> names_of(const std::vector<std::string>& records) {
  std::set<std::string> names;
  for (const std::string& record : records) names.insert(record.substr(0, record.find(' ')));
  return {names.begin(), names.end()};
}

}  // namespace

Status check_resolver_count(const std::string& answer, size_t wanted) {
  std::string count = " " + std::to_string(wanted) + " datas\n";
  if (answer.ends_with(count)) return {};
  return make_error(Code::Invalid, "unbound: " + answer.substr(0, std::min(answer.find('\n'), size_t{200})));
}

Result<std::string> ResolverControl::ask(const std::string& command, uint64_t deadline_ms) const {
  io::Fd fd = TRY(connect_to(socket_));
  TRY(send_whole(fd, kMagic + command + "\n"));
  return read_answer(fd, deadline_ms);
}

Status ResolverControl::tell(const std::string& command, const std::vector<std::string>& lines, uint64_t deadline_ms) const {
  std::string text = command + "\n";
  for (const std::string& line : lines) text += line + "\n";
  std::string answer = TRY(ask(text + "\x04", deadline_ms));
  return check_resolver_count(answer, lines.size());
}

Status ResolverControl::change(Ipv4 client, const ResolverChange& change, uint64_t deadline_ms) const {
  if (!change.names.empty() && !change.records.empty()) return renew(client, change, deadline_ms);
  if (!change.names.empty()) return tell("view_local_datas_remove " + client.text(), change.names, deadline_ms);
  return tell("view_local_datas " + client.text(), change.records, deadline_ms);
}

Status ResolverControl::renew(Ipv4 client, const ResolverChange& change, uint64_t deadline_ms) const {
  std::vector<std::string> stand_in;
  std::set<std::string> zones;
  for (const std::string& record : change.records) {
    std::string zone = resolver_zone_of(record.substr(0, record.find(' ')));
    if (zone.empty()) continue;
    zones.insert(std::move(zone));
    stand_in.push_back(record);
  }
  TRY(tell("local_datas", stand_in, deadline_ms));
  TRY(set_zones(client, zones, "transparent", deadline_ms));
  TRY(tell("view_local_datas_remove " + client.text(), change.names, deadline_ms));
  TRY(tell("view_local_datas " + client.text(), change.records, deadline_ms));
  TRY(set_zones(client, zones, "static", deadline_ms));
  return tell("local_datas_remove", names_of(stand_in), deadline_ms);
}

Status ResolverControl::set_zones(Ipv4 client, const std::set<std::string>& zones, const std::string& type, uint64_t deadline_ms) const {
  for (const std::string& zone : zones) TRY(ask("view_local_zone " + client.text() + " " + zone + " " + type, deadline_ms));
  return {};
}

}  // namespace mcloud::network
