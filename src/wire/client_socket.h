// A connected stream socket, under TLS when its endpoint says so, whose every wait has a deadline and can be ended
// from another thread.
#pragma once

#include <cstdint>
#include <memory>

#include "io/file.h"
#include "io/tls.h"
#include "wire/http.h"

namespace mcloud::wire {

uint64_t now_ms();                          // of the clock that deadlines are in
uint64_t deadline_in(uint64_t timeout_ms);  // "for ever" is a year

struct ClientSocketOptions {
  std::shared_ptr<const io::TlsContext> tls;  // whom to believe; none: the machine's authorities, read each time
  int interrupt_fd = -1;                      // borrowed; while it is readable every wait ends (-1: none)
};

// One thread at a time.
class ClientSocket {
 public:
  // Tries each address of the host in turn; then TLS. Unavailable when none answers in time; Denied when the server's
  // certificate is not believed; Corrupt when no TLS is spoken there; Cancelled when interrupted.
  static Result<ClientSocket> connect(const Endpoint& endpoint, uint64_t deadline_ms,
                                      const ClientSocketOptions& options = {});

  // What came of one attempt to send or to receive.
  enum class Event { Moved, Ended, TimedOut, Interrupted };
  struct Step {
    Event event;
    size_t bytes = 0;  // with Moved
    int error_number = 0;  // with Ended; 0: in order
  };
  Step receive(char* buffer, size_t size, uint64_t deadline_ms);
  // Sends some of `bytes`; Moved with 0 bytes when the peer has said something meanwhile.
  Step send(BytesView bytes, uint64_t deadline_ms);

  // Something waits to be read although nothing was asked: the peer's end, or a peer that breaks the protocol.
  bool is_stale();

 private:
  ClientSocket(io::Fd fd, int interrupt_fd) : fd_(std::move(fd)), interrupt_fd_(interrupt_fd) {}
  Status start_tls(const std::string& host, std::shared_ptr<const io::TlsContext> context, uint64_t deadline_ms);
  Step receive_raw(char* buffer, size_t size, uint64_t deadline_ms);
  Step send_raw(BytesView bytes, uint64_t deadline_ms);
  Step receive_record(uint64_t deadline_ms);
  Step flush(uint64_t deadline_ms);
  bool has_plain() const { return begin_ < plain_.size(); }

  io::Fd fd_;
  int interrupt_fd_;
  std::unique_ptr<io::TlsSession> tls_;
  Bytes plain_;  // decrypted and not received yet, from begin_ on
  size_t begin_ = 0;
};

}  // namespace mcloud::wire
