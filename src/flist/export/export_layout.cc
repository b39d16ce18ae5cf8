#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "flist/convert.h"
#include "flist/export/block_ahead.h"
#include "flist/export/documents.h"
#include "flist/export/tar_writer.h"
#include "io/file.h"

namespace mcloud::flist {
namespace {

using image::kBlockBytes;
using image::Node;
using image::NodeNumber;

// Depth first, a folder before what is in it, names in order.
class TreeToTar {
 public:
  TreeToTar(const image::Tree& tree, image::Routes& blocks, LayerFile& out)
      : tree_(tree), first_names_(tree.nodes.size()), blocks_(blocks, wants(tree)),
        tar_([&out](BytesView bytes) { return out.write(bytes); }) {}

  Status run() {
    TRY(add("", 0));
    return tar_.finish();
  }

 private:
  // The tree is checked: at most 256 folders deep.
  Status add(const std::string& path, NodeNumber number) {
    const Node& node = tree_.nodes[number];
    if (node.type == Node::Type::Socket) return {};
    TRY(add_entry(path, number).with_context("path \"" + path.substr(0, 200) + "\""));
    for (const auto& [name, child] : node.children) TRY(add(path.empty() ? name : path + "/" + name, child));
    return {};
  }

  Status add_entry(const std::string& path, NodeNumber number) {
    const Node& node = tree_.nodes[number];
    TarItem item{path, first_names_[number], {}};
    if (!item.hard_link.empty()) return tar_.begin(item, node);
    first_names_[number] = path;
    if (node.type != Node::Type::File) return tar_.begin(item, node);
    item.data = data_of(node);
    TRY(tar_.begin(item, node));
    for (size_t i = 0; i < node.blocks.size(); ++i) {
      if (is_hole(node, i)) continue;
      Bytes plain = TRY(blocks_.next());
      TRY(tar_.write(plain));
    }
    return tar_.end();
  }

  // In the order in which add() comes by.
  static std::vector<BlockAhead::Want> wants(const image::Tree& tree) {
    std::vector<BlockAhead::Want> out;
    std::vector<bool> is_known(tree.nodes.size());
    std::vector<NodeNumber> waiting = {0};
    while (!waiting.empty()) {
      NodeNumber number = waiting.back();
      waiting.pop_back();
      if (is_known[number]) continue;
      is_known[number] = true;
      const Node& node = tree.nodes[number];
      for (size_t i = 0; i < node.blocks.size(); ++i) {
        if (!is_hole(node, i)) out.push_back({node.blocks[i], plain_bytes(node, i)});
      }
      for (auto entry = node.children.rbegin(); entry != node.children.rend(); ++entry) waiting.push_back(entry->second);
    }
    return out;
  }

  static uint64_t plain_bytes(const Node& file, size_t block) {
    return std::min(file.bytes - block * kBlockBytes, kBlockBytes);
  }
  static bool is_hole(const Node& file, size_t block) {
    return plain_bytes(file, block) == kBlockBytes && file.blocks[block].key == image::zero_block_key();
  }
  static std::vector<std::pair<uint64_t, uint64_t>> data_of(const Node& file) {
    std::vector<std::pair<uint64_t, uint64_t>> out;
    for (size_t i = 0; i < file.blocks.size(); ++i) {
      if (is_hole(file, i)) continue;
      uint64_t offset = i * kBlockBytes;
      bool continues = !out.empty() && out.back().first + out.back().second == offset;
      if (!continues) out.emplace_back(offset, 0);
      out.back().second += plain_bytes(file, i);
    }
    return out;
  }

  const image::Tree& tree_;
  std::vector<std::string> first_names_;
  BlockAhead blocks_;
  TarWriter tar_;
};

Status make_empty(const std::string& folder) {
  TRY(io::make_folders(folder));
  if (TRY(io::list_folder(folder)).empty()) return {};
  return make_error(Code::AlreadyExists, folder + ": is not empty");
}

Result<WrittenLayer> write_layer(const image::Image& image, image::Routes& blocks, const std::string& folder,
                                 LayerCompression compression) {
  std::string unfinished = folder + "/layer.unfinished";
  std::unique_ptr<LayerFile> file = TRY(LayerFile::create(unfinished, compression));
  TRY(TreeToTar(image.tree, blocks, *file).run());
  WrittenLayer layer = TRY(file->finish());
  std::string path = folder + "/" + layer.stored.hex();
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return errno_error(errno, "rename " + unfinished);
  return layer;
}

Status put_document(const std::string& folder, const std::string& document) {
  return io::write_file(folder + "/" + image::Digest::of(document).hex(), document, io::Durability::Fsync);
}

Status write_layout(const image::Image& image, image::Routes& blocks, const std::string& folder, const std::string& tag,
                    LayerCompression compression) {
  std::string blobs = folder + "/blobs/sha256";
  TRY(io::make_folders(blobs));
  WrittenLayer layer = TRY(write_layer(image, blocks, blobs, compression));
  std::string config = TRY(config_with_layer(image.config, layer.content));
  std::string manifest = manifest_document(config, layer, compression);
  TRY(put_document(blobs, config));
  TRY(put_document(blobs, manifest));
  TRY(io::write_file(folder + "/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", io::Durability::Fsync));
  // Last: without it there is no image in the folder.
  return io::write_file(folder + "/index.json", index_document(manifest, tag), io::Durability::Fsync);
}

}  // namespace

Status export_layout(const image::Image& image, image::Routes& blocks, const std::string& folder, const std::string& tag,
                     LayerCompression compression) {
  std::string doing = "export to " + folder.substr(0, 300);
  TRY(image.check().with_context(doing));
  TRY(make_empty(folder).with_context(doing));
  return write_layout(image, blocks, folder, tag, compression).with_context(doing);
}

}  // namespace mcloud::flist
