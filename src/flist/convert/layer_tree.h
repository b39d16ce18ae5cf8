// Inside this room: applies the entries of image layers to a tree in memory, by the rules by which
// image/unpacked/tree_writer.h applies them to a folder. Different from it: devices are kept (but not 0:0, which an
// overlay takes for a whiteout), a folder that nobody names has time 0, and a folder named again loses the
// attributes that it is not given again.
#pragma once

#include <unordered_set>

#include "flist/convert/content.h"
#include "image/oci/entry_sink.h"

namespace mcloud::flist {

class LayerTree final : public image::EntrySink {
 public:
  // Borrows both.
  LayerTree(GrowingTree& tree, BlockSink& blocks, const image::UnpackLimits& limits)
      : tree_(tree), blocks_(blocks), limits_(limits) {}

  void begin_layer() override;
  Status add(const image::TarEntry& entry, image::TarReader& reader) override;
  Status end_layer() override;

 private:
  struct Parent {
    std::string path;
    image::NodeNumber folder = GrowingTree::kNone;
  };

  Status add_checked(const image::TarEntry& entry, image::TarReader& reader, const std::string& path);
  Status add_root(const image::TarEntry& entry);
  Status add_whiteout(const std::string& folder, std::string_view hidden);
  Status enter(const std::string& folder);
  Status make_way(const image::TarEntry& entry, const std::string& name);
  Status write_folder(const image::TarEntry& entry, const std::string& name);
  Status write_file(const image::TarEntry& entry, image::TarReader& reader, const std::string& path,
                    const std::string& name);
  Status write_hard_link(const image::TarEntry& entry, const std::string& name);
  Status write_other(const image::TarEntry& entry, const std::string& name);
  Status remove_lower(image::NodeNumber folder, const std::string& name, uint64_t depth);
  Status empty_lower(image::NodeNumber folder, uint64_t depth);
  static std::string key(image::NodeNumber folder, std::string_view name);

  GrowingTree& tree_;
  BlockSink& blocks_;
  image::UnpackLimits limits_;
  Parent parent_;
  std::unordered_set<std::string> written_;  // keys of what the current layer brought
  uint64_t bytes_ = 0;
  uint64_t entries_ = 0;
  uint64_t looked_at_ = 0;  // names seen while hiding; whiteouts without end would cost quadratic time
};

}  // namespace mcloud::flist
