#include "flist/convert/sources.h"

namespace mcloud::flist {
namespace {

using image::Node;
using image::NodeNumber;

class Copy {
 public:
  Copy(const image::Image& image, image::Routes& from, Assembly& assembly)
      : image_(image), from_(from), assembly_(assembly), copies_(image.tree.nodes.size(), GrowingTree::kNone) {}

  // Breadth first, so that a folder is there before what is in it.
  Status run() {
    std::vector<std::pair<NodeNumber, std::string>> waiting = {{0, ""}};
    copies_[0] = GrowingTree::kRoot;
    TRY(assembly_.tree().set_facts(GrowingTree::kRoot, image_.tree.nodes[0]));
    for (size_t i = 0; i < waiting.size(); ++i) {
      auto [folder, path] = waiting[i];
      for (const auto& [name, number] : image_.tree.nodes[folder].children) {
        std::string here = path.empty() ? name : path + "/" + name;
        TRY(copy(folder, name, number, here).with_context("path \"" + here.substr(0, 200) + "\""));
        if (image_.tree.nodes[number].type == Node::Type::Folder) waiting.emplace_back(number, here);
      }
      waiting[i].second.clear();
    }
    return {};
  }

 private:
  Status copy(NodeNumber folder, const std::string& name, NodeNumber number, const std::string& path) {
    if (copies_[number] != GrowingTree::kNone) {
      return assembly_.tree().add_name(copies_[folder], name, copies_[number]);
    }
    const Node& old = image_.tree.nodes[number];
    BlockRange range = TRY(copy_blocks(old, path));
    Node made = old;
    made.children.clear();
    made.blocks.clear();
    copies_[number] = TRY(assembly_.tree().add(copies_[folder], name, std::move(made), range));
    return {};
  }

  Result<BlockRange> copy_blocks(const Node& file, const std::string& path) {
    BlockRange range;
    uint64_t left = file.bytes;
    for (const image::BlockRef& ref : file.blocks) {
      uint64_t plain = std::min(left, image::kBlockBytes);
      left -= plain;
      bool is_hole = plain == image::kBlockBytes && ref.key == image::zero_block_key();
      uint64_t position = is_hole ? TRY(assembly_.blocks().add_zeros(path))
                                  : TRY(assembly_.blocks().add_fetched(ref, plain, from_, path));
      if (range.count++ == 0) range.first = position;
    }
    return range;
  }

  const image::Image& image_;
  image::Routes& from_;
  Assembly& assembly_;
  std::vector<NodeNumber> copies_;
};

}  // namespace

Status load_image(const image::Image& image, image::Routes& from, Assembly& assembly) {
  TRY(image.check());
  assembly.config = image.config;
  assembly.origin = image.origin;
  return Copy(image, from, assembly).run();
}

}  // namespace mcloud::flist
