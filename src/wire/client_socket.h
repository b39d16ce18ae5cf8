// Inside this room only: a connected stream socket whose every wait has a deadline.
#pragma once

#include <cstdint>

#include "io/file.h"
#include "wire/http.h"

namespace mcloud::wire {

uint64_t now_ms();                          // of the clock that deadlines are in
uint64_t deadline_in(uint64_t timeout_ms);  // "for ever" is a year

class ClientSocket {
 public:
  // Tries each address of the host in turn. Unavailable when none answers in time.
  static Result<ClientSocket> connect(const Endpoint& endpoint, uint64_t deadline_ms);

  // What came of one attempt to send or to receive.
  enum class Event { Moved, Ended, TimedOut, Interrupted };
  struct Step {
    Event event;
    size_t bytes = 0;  // with Moved
    int error_number = 0;  // with Ended; 0: in order
  };
  // Receives into `buffer`. Interrupted when `interrupt_fd` (-1: none) becomes readable.
  Step receive(char* buffer, size_t size, uint64_t deadline_ms, int interrupt_fd = -1);
  // Sends some of `bytes`; Moved with 0 bytes when the peer has said something meanwhile.
  Step send(BytesView bytes, uint64_t deadline_ms);

  // Something waits to be read although nothing was asked: the peer's end, or a peer that breaks the protocol.
  bool is_stale() const;

 private:
  explicit ClientSocket(io::Fd fd) : fd_(std::move(fd)) {}
  io::Fd fd_;
};

}  // namespace mcloud::wire
