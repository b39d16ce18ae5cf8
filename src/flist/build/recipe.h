// Inside this room: a recipe for an image, as text (docs/reference/image-recipe.md) and as a value. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mcloud::flist {

struct Recipe {
  // Of a file or folder that the recipe makes. Paths are normal (image/path.h).
  struct Owner {
    uint32_t user = 0, group = 0;
  };
  struct Folder {
    std::string path;
    uint16_t mode = 0755;
    Owner owner;
    int line = 0;
  };
  struct File {
    std::string path;
    std::string content;
    std::string source;             // a path seen from the recipe; "" = content
    std::optional<uint16_t> mode;   // nullopt: 0755 when the source may be executed, else 0644
    Owner owner;
    int line = 0;
  };
  struct Link {
    std::string path, target;
    int line = 0;
  };
  struct Removal {
    std::string path;               // "path/*": the folder stays
    int line = 0;
  };

  std::string from;                 // "debian", "nothing", or what convert.h takes
  std::string suite = "bookworm";   // debian
  std::string variant = "essential";
  std::vector<std::string> packages;
  bool documentation = false;
  int64_t time = 1'767'225'600;     // of what the recipe makes; 2026-01-01

  std::vector<Removal> removals;    // these are done in this order
  std::vector<Folder> folders;
  std::vector<File> files;
  std::vector<Link> links;

  // How the image starts: nullopt keeps what the base says.
  std::optional<std::vector<std::string>> entrypoint, command;
  std::vector<std::pair<std::string, std::string>> environment;  // added
  std::optional<std::string> user, working_folder, stop_signal;
  std::vector<std::string> volumes, ports;                       // added; "80/tcp"

  bool changes_config() const;
};

// Invalid "NAME:LINE: field: what is wrong and what is allowed"; the first thing only.
Result<Recipe> parse_recipe(std::string_view text, const std::string& name);

}  // namespace mcloud::flist
