// A client of a key-value server for the commands of this room: one request at a time, each with a deadline.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/tls_stream.h"
#include "wire/resp_reply.h"

namespace mcloud::cli {

// "HOST:PORT", "[::1]:PORT", or a path with a "/": a unix socket.
struct KvAddress {
  std::string host;
  uint16_t port = 0;
  std::string path;
  static Result<KvAddress> parse(std::string_view text);
  std::string text() const;
};

// A connected socket that does not block. Unavailable; TimedOut.
Result<io::Fd> connect_kv(const KvAddress& address, uint64_t timeout_ms);

struct KvLogin {
  std::string tls_ca;         // TLS, by a server with a certificate of this authority; "": no TLS
  std::string password_file;  // of the administrator; "": none
};

class KvClient {
 public:
  // Speaks the Redis dialect from then on.
  static Result<std::unique_ptr<KvClient>> connect(const KvAddress& address, const KvLogin& login, uint64_t timeout_ms);
  // An error reply is an Error: Denied for what only administrators may, Invalid otherwise.
  Result<wire::RespReply> ask(const std::vector<std::string_view>& words);

 private:
  KvClient(io::Fd socket, uint64_t timeout_ms) : socket_(std::move(socket)), timeout_ms_(timeout_ms) {}
  Status send(BytesView bytes);
  Result<size_t> receive(char* to, size_t size);

  io::Fd socket_;
  std::unique_ptr<io::TlsStream> tls_;  // holds the socket then
  uint64_t timeout_ms_;
  Bytes received_;
};

}  // namespace mcloud::cli
