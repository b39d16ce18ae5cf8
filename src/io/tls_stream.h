// A client's TCP connection under TLS, for threads that may block: every call has a deadline. The server's certificate
// and name are checked before connect() returns. One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "io/file.h"
#include "io/tls.h"

namespace mcloud::io {

// Tries each address of the host in turn. Unavailable: none takes a connection in time. The socket does not block.
Result<Fd> connect_tcp(const std::string& host, uint16_t port, uint64_t timeout_ms);

class TlsStream {
 public:
  // `name` is what the certificate must be for: usually the host that `socket` is connected to. TimedOut; Denied: it is
  // not believed; Corrupt: no TLS is spoken there. When `interrupt_fd` (-1: none; borrowed) is readable, every wait, now
  // and later, is Cancelled.
  static Result<std::unique_ptr<TlsStream>> connect(Fd socket, const std::string& name,
                                                    std::shared_ptr<const TlsContext> context, uint64_t timeout_ms,
                                                    int interrupt_fd = -1);
  ~TlsStream();  // says goodbye, if that needs no waiting
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // All of it, or an error (TimedOut, Unavailable: the peer is gone): then the stream is of no use any more.
  Status write(BytesView bytes, uint64_t timeout_ms);
  // At least one byte, at most `size`; 0: the peer has ended. TimedOut: nothing came, and the stream is as it was.
  Result<size_t> read(char* to, size_t size, uint64_t timeout_ms);
  // Readable when something comes; read() may have bytes even when it is not (has_bytes()).
  int fd() const { return socket_.get(); }
  bool has_bytes() const { return begin_ < plain_.size(); }

 private:
  TlsStream(Fd socket, std::unique_ptr<TlsSession> session, int interrupt_fd)
      : socket_(std::move(socket)), session_(std::move(session)), interrupt_fd_(interrupt_fd) {}
  Status send_all(uint64_t deadline_ms);
  Status receive_some(uint64_t deadline_ms);
  Status wait(short events, uint64_t deadline_ms) const;

  Fd socket_;
  std::unique_ptr<TlsSession> session_;
  int interrupt_fd_;
  Bytes plain_;  // what was decrypted and not read yet, from begin_ on
  size_t begin_ = 0;
  bool has_ended_ = false;
};

}  // namespace mcloud::io
