#include "cli/kv.h"

#include "cli/commands.h"

namespace mcloud::cli {

Commands kv_commands() { return {kv_serve_command(), kv_verify_command(), kv_dump_command(), kv_top_command(), kv_bench_command()}; }

}  // namespace mcloud::cli
