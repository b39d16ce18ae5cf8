#include "cli/kv.h"

#include "cli/commands.h"

namespace mcloud::cli {

Commands kv_commands() { return {kv_serve_command()}; }

}  // namespace mcloud::cli
