// Inside this room: a file tree while it is made: names come and go, links are followed as a kernel would inside
// a root folder, and at the end it is numbered in one way only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/limits.h"
#include "image/tree/tree.h"

namespace mcloud::flist {

// The blocks of a file in a pipeline: positions [first, first + count).
struct BlockRange {
  uint64_t first = 0;
  uint32_t count = 0;
};

// Not thread-safe. Bounded: entries, and all bytes of names, links and attributes.
class GrowingTree {
 public:
  explicit GrowingTree(const image::UnpackLimits& limits);
  static constexpr image::NodeNumber kRoot = 0;
  static constexpr image::NodeNumber kNone = UINT32_MAX;

  enum class Walk { Found, Missing, NotFolder };
  // The folder at a normal path (image/path.h). Links lead around inside the tree, ".." of the root is the root,
  // more than 40 links are none. Exhausted when all walks together are absurdly long.
  Result<Walk> find_folder(std::string_view path, image::NodeNumber& folder);
  // The same, and it is made when missing, with those above it (root's, mode 0755, time 0). Corrupt when a name
  // on the way is no folder. Exhausted beyond the bounds.
  Result<image::NodeNumber> make_folder(const std::string& path);

  // kNone when there is no such name.
  image::NodeNumber child(image::NodeNumber folder, std::string_view name) const;
  // A new node under a new name.
  Result<image::NodeNumber> add(image::NodeNumber folder, const std::string& name, image::Node node,
                                BlockRange blocks = {});
  // One more name. The node is no folder.
  Status add_name(image::NodeNumber folder, const std::string& name, image::NodeNumber node);
  // The name goes. A folder under it is empty.
  void remove(image::NodeNumber folder, const std::string& name);
  // The name goes with all that is below it.
  void remove_all(image::NodeNumber folder, const std::string& name);
  // By normal path; "a/*" empties the folder a. False when there is nothing of that name.
  Result<bool> remove_path(const std::string& path);

  image::Node& at(image::NodeNumber number) { return nodes_[number].node; }
  const image::Node& at(image::NodeNumber number) const { return nodes_[number].node; }
  // Owner, mode, time and attributes of `from`.
  Status set_facts(image::NodeNumber number, const image::Node& from);

  // What can be reached, numbered from the root down, each folder's names in order; blocks taken from `refs`.
  // Corrupt or Exhausted as Tree::check().
  Result<image::Tree> finish(const std::vector<image::BlockRef>& refs) const;

 private:
  struct Growing {
    image::Node node;
    image::NodeNumber parent = kRoot;  // of a folder
    uint32_t names = 0;
    BlockRange blocks;
  };

  Status count(size_t metadata_bytes);
  std::vector<image::NodeNumber> number() const;

  image::UnpackLimits limits_;
  std::vector<Growing> nodes_;
  uint64_t metadata_bytes_ = 0;
  uint64_t entries_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace mcloud::flist
