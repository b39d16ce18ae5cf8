#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "image/mount/control_protocol.h"
#include "image/mount/imagefs_process.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

// Somebody stops the mount while no server can be asked.
bool is_told_to_stop(const std::string& folder) { return io::exists(folder + "/stop"); }

// Until it has ended. A server that lives and does not serve is ended: none of its threads waits for a store, so one that
// is at a request for so long, twice in a row, is stuck, and a new server can do better.
void watch(Peer& peer, const SharedMemory& memory, const MountOptions& options) {
  const uint64_t began_ms = now_ms();
  uint64_t look_ms = std::min<uint64_t>(5'000, options.stuck_timeout_ms / 4 + 1);
  int looks = 0;
  while (!peer.has_ended(look_ms)) {
    bound_log(options.folder);
    uint64_t stuck_ms = memory.stuck_for_ms(now_ms(), began_ms);
    looks = stuck_ms >= options.stuck_timeout_ms ? looks + 1 : 0;
    if (looks < 2) continue;
    log::error("image", "the file system's process is stuck; it is ended",
               {{"process", std::to_string(peer.process())}, {"ms", std::to_string(stuck_ms)}});
    peer.kill();
    looks = 0;
  }
}

}  // namespace

int run_keeper(SharedDescriptors shared, int server) {
  Status dropped = drop_privileges();
  Result<KeptState> state = dropped.has_value() ? parse_state(shared.memory->text()) : Result<KeptState>(dropped.error());
  if (!state.has_value()) {
    log::error("image", "the keeper cannot begin", {{"error", state.error().message}});
    return 1;
  }
  const std::string folder = state->options.folder;
  std::optional<Peer> peer;
  if (server != 0) peer = Peer::parent(server);
  Backoff backoff;
  uint64_t since_ms = now_ms();
  while (true) {
    if (peer.has_value()) watch(*peer, *shared.memory, state->options);
    if (shared.memory->is_stopping() || is_told_to_stop(folder)) return 0;
    if (peer.has_value()) {
      shared.memory->count_restart();
      uint64_t wait_ms = backoff.next_ms(now_ms() - since_ms);
      log::warning("image", "the file system's process ended; it starts again", {{"process", std::to_string(peer->process())}, {"wait_ms", std::to_string(wait_ms)}});
      peer.reset();
      ::poll(nullptr, 0, static_cast<int>(wait_ms));
      if (is_told_to_stop(folder)) return 0;
    }
    since_ms = now_ms();
    shared.memory->forget_signs_of_life();
    Result<std::unique_ptr<io::Child>> child = start_role("server", ::getpid(), shared, folder);
    if (child.has_value()) {
      peer.emplace(std::move(*child));
      continue;
    }
    log::error("image", "cannot start the file system's process", {{"error", child.error().message}});
    ::poll(nullptr, 0, static_cast<int>(backoff.next_ms(0) + 100));
  }
}

}  // namespace mcloud::image
