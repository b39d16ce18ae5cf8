#include "cli/image.h"

#include "cli/commands.h"

namespace mcloud::cli {

Commands image_commands() {
  return {image_convert_command(), image_export_command(), image_build_command(),   image_inspect_command(), image_ls_command(),
          image_tree_command(),    image_cat_command(),    image_diff_command(),    image_verify_command(),
          image_tag_command(),     image_sign_command(),   image_trace_command(),   image_stores_command(),  image_du_command(),
          image_mount_command(),   image_unmount_command()};
}

}  // namespace mcloud::cli
