// Inside this room only: from an endpoint's name to a connected socket.
#pragma once

#include "io/file.h"
#include "wire/http.h"

struct pollfd;

namespace mcloud::wire {

// As poll(2), until a deadline; calls that a signal interrupted go on.
int poll_until(pollfd* waiting, size_t count, uint64_t deadline_ms);

// Does not block. Unavailable; Cancelled when `interrupt_fd` (-1: none) becomes readable.
Result<io::Fd> connect_endpoint(const Endpoint& endpoint, uint64_t deadline_ms, int interrupt_fd);

}  // namespace mcloud::wire
