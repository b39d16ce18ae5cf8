#include "gateway/dns_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "gateway/dns_text.h"
#include "gateway/words.h"
#include "io/clock.h"
#include "io/file.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kTryMs = 1'500;
constexpr int kTries = 2;

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

Result<Address> parse_server(const std::string& server) {
  size_t colon = server.rfind(':');
  std::string host = server.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  uint16_t port = 0;
  if (colon != server.npos) std::from_chars(server.data() + colon + 1, server.data() + server.size(), port);
  if (port == 0 || !is_ip(host)) return make_error(Code::Invalid, "\"" + server + "\" is no ADDRESS:PORT of a name server");
  Address out;
  if (host.find(':') == host.npos) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.bytes);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    inet_pton(AF_INET, host.c_str(), &v4->sin_addr);
    out.size = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.bytes);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr);
    out.size = sizeof *v6;
  }
  return out;
}

Status wait_for(int fd, short events, uint64_t deadline_ms) {
  while (true) {
    uint64_t now = io::SystemClock().monotonic_ms();
    if (now >= deadline_ms) return make_error(Code::TimedOut, "the name server does not answer");
    pollfd waiting{fd, events, 0};
    int ready = ::poll(&waiting, 1, static_cast<int>(deadline_ms - now));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return errno_error(errno, "poll");
  }
}

// Connected, so that only the server's datagrams come in.
Result<io::Fd> connected(const Address& server, int kind) {
  io::Fd socket(::socket(server.bytes.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return errno_error(errno, "socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&server.bytes), server.size) != 0 && errno != EINPROGRESS) {
    return make_error(Code::Unavailable, std::string("the name server cannot be reached: ") + std::strerror(errno));
  }
  return socket;
}

Result<TxtAnswer> ask_udp(const Address& server, BytesView question, uint16_t id, const std::string& name) {
  io::Fd socket = TRY(connected(server, SOCK_DGRAM));
  uint64_t deadline_ms = io::SystemClock().monotonic_ms() + kTryMs;
  if (::send(socket.get(), question.data(), question.size(), 0) < 0) return errno_error(errno, "ask the name server");
  char buffer[4096];
  while (true) {
    TRY(wait_for(socket.get(), POLLIN, deadline_ms));
    ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) continue;
    if (got < 0) return make_error(Code::Unavailable, std::string("the name server cannot be reached: ") + std::strerror(errno));
    Result<TxtAnswer> answer = parse_txt_answer({buffer, static_cast<size_t>(got)}, id, name);
    // Somebody else's guess does not end the wait for the real answer.
    if (answer.has_value() || answer.error().code != Code::Corrupt) return answer;
  }
}

Status receive(int fd, char* bytes, size_t count, uint64_t deadline_ms) {
  while (count > 0) {
    TRY(wait_for(fd, POLLIN, deadline_ms));
    ssize_t got = ::recv(fd, bytes, count, 0);
    if (got == 0) return make_error(Code::Unavailable, "the name server hung up");
    if (got < 0 && errno != EAGAIN && errno != EINTR) return errno_error(errno, "read from the name server");
    bytes += std::max<ssize_t>(got, 0);
    count -= static_cast<size_t>(std::max<ssize_t>(got, 0));
  }
  return {};
}

// A length of two bytes goes before each message (RFC 1035 section 4.2.2).
Result<TxtAnswer> ask_tcp(const Address& server, BytesView question, uint16_t id, const std::string& name) {
  io::Fd socket = TRY(connected(server, SOCK_STREAM));
  uint64_t deadline_ms = io::SystemClock().monotonic_ms() + 2 * kTryMs;
  TRY(wait_for(socket.get(), POLLOUT, deadline_ms));
  Bytes framed = {static_cast<char>(question.size() >> 8), static_cast<char>(question.size() & 0xff)};
  framed += question;
  if (::send(socket.get(), framed.data(), framed.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(framed.size())) {
    return make_error(Code::Unavailable, "the name server cannot be asked over TCP");
  }
  char head[2];
  TRY(receive(socket.get(), head, sizeof head, deadline_ms));
  Bytes answer(static_cast<size_t>(static_cast<unsigned char>(head[0]) << 8 | static_cast<unsigned char>(head[1])), '\0');
  TRY(receive(socket.get(), answer.data(), answer.size(), deadline_ms));
  return parse_txt_answer(answer, id, name);
}

}  // namespace

Result<std::vector<std::string>> lookup_txt(const std::string& server, const std::string& name) {
  Address address = TRY(parse_server(server));
  Result<TxtAnswer> answer = make_error(Code::TimedOut, "the name server does not answer");
  for (int tries = 0; tries < kTries && !answer.has_value(); ++tries) {
    auto id = static_cast<uint16_t>(io::SystemRandom().below(65'536));
    Bytes question = TRY(txt_question(id, name));
    answer = ask_udp(address, question, id, name);
    if (answer.has_value() && answer->is_truncated) answer = ask_tcp(address, question, id, name);
  }
  if (!answer.has_value()) return answer.error();
  return std::move(answer->texts);
}

std::string machine_name_server() {
  Bytes text = io::read_file("/etc/resolv.conf", 64 << 10).value_or("");
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    if (!line.starts_with("nameserver")) continue;
    line.remove_prefix(10);
    while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.remove_prefix(1);
    std::string host(line.substr(0, line.find_first_of(" \t\r#")));
    if (is_ip(host)) return host.find(':') == host.npos ? host + ":53" : "[" + host + "]:53";
  }
  return "127.0.0.1:53";
}

}  // namespace mcloud::gateway
