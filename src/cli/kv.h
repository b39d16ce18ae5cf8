// The commands of `mcloud kv`, one file each.
#pragma once

#include "cli/command.h"

namespace mcloud::cli {

Command kv_serve_command();  // kv_serve.cc

}  // namespace mcloud::cli
