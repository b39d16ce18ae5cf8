// Inside this shelf: the end of FOLDER/control.sock in the serving process. One request at a time; only root (or who
// we are) is listened to; nobody can hold it up for more than a few seconds.
#pragma once

#include <functional>

#include "image/mount/control_protocol.h"
#include "io/file.h"

namespace mcloud::image {

// Bound and listening, for root only. Invalid when the path is too long for a socket.
Result<io::Fd> listen_for_control(const std::string& path);
// One request to it, with a deadline over all. Unavailable when nobody listens.
Result<ControlReply> ask(const std::string& path, const ControlRequest& request, uint64_t timeout_ms);

// Waits at most `timeout_ms` for a connection and serves it. False when there was none.
bool serve_control(int listener, uint64_t timeout_ms,
                   const std::function<Result<ControlReply>(const ControlRequest&)>& handle);

}  // namespace mcloud::image
