// The commands of `mcloud kv`, one file each.
#pragma once

#include "cli/command.h"

namespace mcloud::cli {

Command kv_serve_command();   // kv_serve.cc
Command kv_verify_command();  // kv_offline.cc
Command kv_dump_command();
Command kv_top_command();    // kv_top.cc
Command kv_bench_command();  // kv_bench_command.cc

}  // namespace mcloud::cli
