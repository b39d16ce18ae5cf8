// Inside this room only: WireGuard's cross-platform configuration protocol as text (wireguard.com/xplatform), which
// wireguard-go speaks on its unix socket. Pure; docs/reference/wireguard.md.
#pragma once

#include "network/wireguard_config.h"

namespace mcloud::network {

inline constexpr size_t kUapiBytesMax = 64 << 20;

// "set=1\n...\n\n".
std::string uapi_set(const ConfigChange& change);
inline constexpr const char* kUapiGet = "get=1\n\n";

// True when `text` has the blank line that ends an answer.
bool is_uapi_answer(std::string_view text);
// The answer to set=1: its errno as an error.
Status parse_uapi_outcome(std::string_view text);
// The answer to get=1. Corrupt when a line is malformed or a known name has no proper value; names that are not known
// are passed over, so that a newer wireguard-go can say more.
Result<ConfigState> parse_uapi_device(std::string_view text);

}  // namespace mcloud::network
