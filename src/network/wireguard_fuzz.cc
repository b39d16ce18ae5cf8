// What wireguard-go and the kernel answer: never read beyond its end, and what is accepted can be told back.
#include <cstdint>
#include <cstdlib>

#include "network/wireguard_netlink.h"
#include "network/wireguard_uapi.h"

namespace {

using namespace mcloud::network;

ConfigChange change_to(const ConfigState& state) {
  ConfigChange change{.secret = state.secret, .port = state.port};
  for (const WireGuardPeer& peer : state.peers) {
    change.peers.push_back({.key = peer.key,
                            .preshared = peer.preshared,
                            .keepalive_s = peer.keepalive_s,
                            .endpoint = peer.endpoint,
                            .allowed = peer.allowed});
  }
  return change;
}

void check_same(const ConfigState& one, const ConfigState& other) {
  if (one.secret != other.secret || one.port != other.port || one.peers != other.peers) std::abort();
}

void read_text(std::string_view text) {
  auto state = parse_uapi_device(text);
  if (!state.has_value()) return;
  std::string told = uapi_set(change_to(*state));
  auto again = parse_uapi_device(told.substr(6, told.size() - 7) + "errno=0\n\n");
  if (!again.has_value()) std::abort();
  check_same(*state, *again);
}

void read_attributes(std::string_view bytes) {
  ConfigState state;
  if (!merge_device_answer(bytes, state).has_value()) return;
  state.sort();
  auto messages = set_device_messages(1, "mwg0", change_to(state));
  if (!messages.has_value()) std::abort();
  ConfigState again;
  for (NetlinkMessage& message : *messages) {
    if (!merge_device_answer(std::string_view(message.finish(1)).substr(16), again).has_value()) std::abort();
  }
  again.sort();
  check_same(state, again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 2 == 0) {
    read_text(rest);
  } else {
    read_attributes(rest);
    static_cast<void>(family_of_answer(rest));
  }
  return 0;
}
