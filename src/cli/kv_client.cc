#include "cli/kv_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "io/clock.h"
#include "wire/resp.h"

namespace mcloud::cli {
namespace {

Result<io::Fd> connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return make_error(Code::Invalid, "the path of a unix socket has at most 107 bytes: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  io::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return make_error(Code::Unavailable, "connect to " + path + ": " + std::strerror(errno));
  return fd;
}

Status wait_for(int fd, short events, uint64_t timeout_ms) {
  pollfd one{fd, events, 0};
  int ready = poll(&one, 1, static_cast<int>(std::min<uint64_t>(timeout_ms, 1'000'000)));
  if (ready > 0 || (ready < 0 && errno == EINTR)) return {};
  return make_error(Code::TimedOut, "the server does not answer in time");
}

}  // namespace

Result<KvAddress> KvAddress::parse(std::string_view text) {
  KvAddress address;
  if (text.find('/') != std::string_view::npos) {
    address.path = text;
    return address;
  }
  size_t colon = text.rfind(':');
  std::string_view digits = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  bool is_number = failed == std::errc() && end == digits.data() + digits.size() && address.port > 0;
  if (colon == 0 || !is_number)
    return make_error(Code::Invalid, "\"" + std::string(text.substr(0, 100)) + "\": HOST:PORT or the path of a socket is needed");
  address.host = text.substr(0, colon);
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  return address;
}

std::string KvAddress::text() const { return path.empty() ? host + ":" + std::to_string(port) : path; }

Result<io::Fd> connect_kv(const KvAddress& address, uint64_t timeout_ms) {
  return address.path.empty() ? io::connect_tcp(address.host, address.port, timeout_ms) : connect_unix(address.path);
}

Result<std::unique_ptr<KvClient>> KvClient::connect(const KvAddress& address, const KvLogin& login,
                                                    uint64_t timeout_ms) {
  io::Fd socket = TRY(connect_kv(address, timeout_ms));
  std::unique_ptr<KvClient> client(new KvClient(io::Fd(), timeout_ms));
  if (login.tls_ca.empty()) {
    client->socket_ = std::move(socket);
  } else {
    auto context = TRY(io::TlsContext::for_client({.certificate = {}, .key = {}, .authority = login.tls_ca}));
    client->tls_ = TRY(io::TlsStream::connect(std::move(socket), address.host, context, timeout_ms)
                           .with_context("connect to " + address.text()));
  }
  TRY(client->ask({"HELLO", "2"}));
  if (login.password_file.empty()) return client;
  Bytes password = TRY(io::read_file(login.password_file, 4096));
  while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) password.pop_back();
  TRY(client->ask({"AUTH", password}));
  return client;
}

Status KvClient::send(BytesView bytes) {
  if (tls_ != nullptr) return tls_->write(bytes, timeout_ms_);
  while (!bytes.empty()) {
    ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
      bytes.remove_prefix(static_cast<size_t>(sent));
    else if (errno == EAGAIN)
      TRY(wait_for(socket_.get(), POLLOUT, timeout_ms_));
    else if (errno != EINTR)
      return make_error(Code::Unavailable, std::string("the server has gone: ") + std::strerror(errno));
  }
  return {};
}

Result<size_t> KvClient::receive(char* to, size_t size) {
  if (tls_ != nullptr) return tls_->read(to, size, timeout_ms_);
  for (;;) {
    ssize_t got = recv(socket_.get(), to, size, MSG_DONTWAIT);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EAGAIN)
      TRY(wait_for(socket_.get(), POLLIN, timeout_ms_));
    else if (errno != EINTR)
      return make_error(Code::Unavailable, std::string("the server has gone: ") + std::strerror(errno));
  }
}

Result<wire::RespReply> KvClient::ask(const std::vector<std::string_view>& words) {
  TRY(send(wire::resp_request(words)));
  std::optional<size_t> size;
  while (!(size = TRY(wire::resp_reply_size(received_)))) {
    char buffer[64 << 10];
    size_t got = TRY(receive(buffer, sizeof buffer));
    if (got == 0) return make_error(Code::Unavailable, "the server has closed the connection");
    received_.append(buffer, got);
  }
  wire::RespReply reply = wire::parse_resp_reply(BytesView(received_).substr(0, *size));
  received_.erase(0, *size);
  if (reply.kind != wire::RespReply::Kind::Error) return reply;
  bool is_denied = reply.text.starts_with("NOPERM") || reply.text.starts_with("WRONGPASS") ||
                   reply.text.starts_with("NOAUTH") || reply.text.starts_with("Permission");
  return make_error(is_denied ? Code::Denied : Code::Invalid, "the server says: " + reply.text.substr(0, 200));
}

}  // namespace mcloud::cli
