// Inside this room: a contract's range of user ids as a user namespace, for idmapped mounts.
#pragma once

#include <cstdint>

#include "io/file.h"

namespace mcloud::runtime {

inline constexpr uint32_t kUserRange = 65'536;

// Ids 0..65535 inside are base..base+65535 outside, for users and groups. The descriptor keeps it alive; no
// process lives in it.
Result<io::Fd> make_user_range(uint32_t base_uid);

}  // namespace mcloud::runtime
