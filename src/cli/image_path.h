// Inside this room: paths in an image, and what stands at them. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "image/tree/index.h"

namespace mcloud::cli {

enum class LastLink { Follow, Stay };
// The node at a path, seen from the image's root; links lead around inside only. NotFound names the part that is not
// there; Invalid: a part of the path is no folder, or its links go in circles.
Result<image::NodeNumber> find_path(const image::Index& index, std::string_view path, LastLink last);

// All paths below (and without) `folder`, parents before what is in them, names sorted. `path` has no leading '/'.
using Visit = std::function<void(const std::string& path, image::NodeNumber node)>;
void walk(const image::Index& index, image::NodeNumber folder, const std::string& path, const Visit& visit);

// "drwxr-xr-x", as ls(1) shows it.
std::string mode_text(const image::IndexNode& node);
std::string_view type_word(image::Node::Type type);  // "folder", "file", "link", ...
// One line about a node: size, or the link's target, or the device's numbers.
std::string extent_text(const image::Index& index, image::NodeNumber node);

// What differs between two images at one path: "content", "mode", ... sorted as here; empty when nothing.
struct ImageChange {
  enum class Kind { Added, Removed, Changed };
  Kind kind = Kind::Changed;
  std::string path;
  std::vector<std::string> what;  // of Changed: type, content, target, device, mode, owner, time, attributes
};
struct DiffOptions {
  bool ignores_times = false;
};
// By path, sorted. Content is compared by its blocks, not by reading them: equal files of a private and a public
// image differ.
std::vector<ImageChange> image_changes(const image::Index& before, const image::Index& after, const DiffOptions& options);

}  // namespace mcloud::cli
