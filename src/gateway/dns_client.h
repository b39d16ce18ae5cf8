// One question to one name server: UDP, then TCP when the answer did not fit. Blocking, a few seconds at most.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::gateway {

// `server`: "192.0.2.53:53", "[2001:db8::1]:53". The texts of `name`'s TXT records; none when there are none.
Result<std::vector<std::string>> lookup_txt(const std::string& server, const std::string& name);

// The first name server of this machine's /etc/resolv.conf, or the one on its loopback.
std::string machine_name_server();

}  // namespace mcloud::gateway
