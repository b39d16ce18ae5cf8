#include "node/liveness.h"

#include "base/log.h"
#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::node {

pb::LocalLiveness Liveness::read() {
  auto bytes = io::read_file(file_, 4096);
  if (!bytes.has_value()) return {};
  auto decoded = wire::decode<pb::LocalLiveness>(*bytes, "liveness", 4096);
  if (!decoded.has_value()) return {};
  state_ = *decoded;
  return state_;
}

void Liveness::node(uint64_t node_epoch, uint64_t fence_after_ms) {
  if (state_.node_epoch() == node_epoch && state_.fence_after_ms() == fence_after_ms) return;
  state_.set_node_epoch(node_epoch);
  state_.set_fence_after_ms(fence_after_ms);
  write();
}

void Liveness::contact(uint64_t last_contact_ms) {
  state_.set_last_contact_ms(last_contact_ms);
  if (last_contact_ms > written_contact_ms_ + state_.fence_after_ms() / 20) write();
}

void Liveness::write() {
  Status written = io::write_file(file_, wire::encode(state_), io::Durability::None, 0600);
  if (!written.has_value()) log::warning("node", "liveness is not written", {{"reason", written.error().message}});
  written_contact_ms_ = state_.last_contact_ms();
}

}  // namespace mcloud::node
