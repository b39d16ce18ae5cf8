#include "flist/build/edit_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "image/oci/stream.h"
#include "image/path.h"

namespace mcloud::flist {
namespace {

using image::Node;
using image::NodeNumber;

constexpr auto kNone = GrowingTree::kNone;

struct Source {
  std::unique_ptr<image::Stream> stream;
  uint64_t bytes = 0;
  bool is_executable = false;
};

Result<Source> open_source(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return errno_error(errno, path);
  Source out;
  out.stream = TRY(image::open_file_stream(path, "source"));
  out.bytes = static_cast<uint64_t>(facts.st_size);
  out.is_executable = (facts.st_mode & 0111) != 0;
  return out;
}

Result<FileContent> read_source(Source& source, BlockSink& blocks, const std::string& path) {
  FileCutter cutter(blocks, path, source.bytes);
  uint64_t at = 0;
  while (true) {
    BytesView piece = TRY(source.stream->next());
    if (piece.empty()) break;
    TRY(cutter.add(at, piece));
    at += piece.size();
  }
  if (at != source.bytes) return make_error(Code::Conflict, "changed while it was read");
  return cutter.finish();
}

class TreeEditor {
 public:
  TreeEditor(const Recipe& recipe, const std::string& folder, Assembly& assembly)
      : recipe_(recipe), folder_(folder), assembly_(assembly), tree_(assembly.tree()) {}

  Status remove(const Recipe::Removal& removal) {
    if (TRY(tree_.remove_path(removal.path))) return {};
    return make_error(Code::Invalid, "is not in the image");
  }

  Status add_folder(const Recipe::Folder& folder) {
    NodeNumber number = TRY(tree_.make_folder(folder.path));
    return tree_.set_facts(number, facts(Node::Type::Folder, folder.mode, folder.owner));
  }

  Status add_file(const Recipe::File& file) {
    NodeNumber above = kNone;
    std::string name = TRY(make_way(file.path, above));
    Node node = facts(Node::Type::File, file.mode.value_or(0644), file.owner);
    FileContent content;
    if (file.source.empty()) {
      FileCutter cutter(assembly_.blocks(), file.path, file.content.size());
      TRY(cutter.add(0, file.content));
      content = TRY(cutter.finish());
      node.bytes = file.content.size();
    } else {
      Source source = TRY(open_source(file.source.starts_with('/') ? file.source : folder_ + "/" + file.source));
      if (!file.mode.has_value() && source.is_executable) node.mode = 0755;
      content = TRY(read_source(source, assembly_.blocks(), file.path));
      node.bytes = source.bytes;
    }
    node.sha256 = std::move(content.sha256);
    TRY(tree_.add(above, name, std::move(node), content.blocks));
    return {};
  }

  Status add_link(const Recipe::Link& link) {
    NodeNumber above = kNone;
    std::string name = TRY(make_way(link.path, above));
    Node node = facts(Node::Type::Link, 0777, {});
    node.target = link.target;
    TRY(tree_.add(above, name, std::move(node)));
    return {};
  }

 private:
  Node facts(Node::Type type, uint16_t mode, Recipe::Owner owner) const {
    Node node;
    node.type = type;
    node.mode = mode;
    node.user = owner.user;
    node.group = owner.group;
    node.modified_s = recipe_.time;
    return node;
  }

  // What has the name goes, unless it is a folder.
  Result<std::string> make_way(const std::string& path, NodeNumber& above) {
    auto [folder, name] = image::split_last(path);
    above = TRY(tree_.make_folder(folder));
    NodeNumber old = tree_.child(above, name);
    if (old != kNone && tree_.at(old).type == Node::Type::Folder) {
      return make_error(Code::Invalid, "there is a folder of that name (remove it first)");
    }
    tree_.remove(above, name);
    return name;
  }

  const Recipe& recipe_;
  const std::string& folder_;
  Assembly& assembly_;
  GrowingTree& tree_;
};

// The place in the recipe goes in front of what is wrong.
Status at_line(Status status, const std::string& name, int line, const std::string& path) {
  if (status.has_value()) return {};
  return make_error(status.error().code, name + ":" + std::to_string(line) + ": /" + path.substr(0, 200) + ": " +
                                             status.error().message);
}

}  // namespace

Status edit_tree(const Recipe& recipe, const std::string& name, const std::string& folder, Assembly& assembly) {
  TreeEditor editor(recipe, folder, assembly);
  for (const Recipe::Removal& one : recipe.removals) TRY(at_line(editor.remove(one), name, one.line, one.path));
  for (const Recipe::Folder& one : recipe.folders) TRY(at_line(editor.add_folder(one), name, one.line, one.path));
  for (const Recipe::File& one : recipe.files) TRY(at_line(editor.add_file(one), name, one.line, one.path));
  for (const Recipe::Link& one : recipe.links) TRY(at_line(editor.add_link(one), name, one.line, one.path));
  return {};
}

}  // namespace mcloud::flist
