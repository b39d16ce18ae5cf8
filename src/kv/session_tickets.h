// Tickets of what a session is delivered without having asked for one answer.
#pragma once

#include <cstdint>

namespace mcloud::kv {

inline constexpr uint64_t kMirrorTicket = ~uint64_t{0};      // a command that somebody else ran
inline constexpr uint64_t kStreamTicket = ~uint64_t{0} - 1;  // the log that it streams has grown

}  // namespace mcloud::kv
