// The commands of `mcloud image`, a file for each small group of them.
#pragma once

#include "cli/command.h"

namespace mcloud::cli {

Command image_convert_command();  // image_make.cc
Command image_export_command();
Command image_build_command();    // image_build.cc
Command image_inspect_command();  // image_inspect.cc
Command image_ls_command();       // image_look.cc
Command image_tree_command();
Command image_cat_command();
Command image_diff_command();     // image_diff.cc
Command image_verify_command();   // image_verify.cc
Command image_tag_command();      // image_change.cc
Command image_sign_command();
Command image_trace_command();
Command image_stores_command();
Command image_du_command();       // image_du.cc
Command image_mount_command();    // image_mount.cc
Command image_unmount_command();

}  // namespace mcloud::cli
