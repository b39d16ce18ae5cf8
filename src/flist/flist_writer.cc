#include <sys/sysmacros.h>
#include <sys/stat.h>

#include "flist/database.h"
#include "flist/flist_file.h"
#include "flist/flist_schema.h"
#include "flist/utf8.h"

namespace mcloud::flist {
namespace {

using image::Node;
using image::NodeNumber;

// st_mode's bits for a type.
uint32_t file_type(Node::Type type) {
  switch (type) {
    case Node::Type::Folder: return S_IFDIR;
    case Node::Type::File: return S_IFREG;
    case Node::Type::Link: return S_IFLNK;
    case Node::Type::Fifo: return S_IFIFO;
    case Node::Type::CharacterDevice: return S_IFCHR;
    case Node::Type::BlockDevice: return S_IFBLK;
    case Node::Type::Socket: return S_IFSOCK;
  }
  return 0;
}

int64_t size_of(const Node& node) {
  return static_cast<int64_t>(node.type == Node::Type::Link ? node.target.size() : node.bytes);
}

// One row of `inode` for each name, breadth first from the root and by name, numbered from 1. The order, and so
// the file, does not depend on how the tree numbers its nodes.
class Writer {
 public:
  static Result<Writer> create() { return Writer(TRY(Database::create())); }

  Result<Bytes> run(const Flist& flist) {
    // Nothing that lay in memory before may end up in the file.
    TRY(database_.run("PRAGMA encoding='UTF-8'; PRAGMA page_size=4096; PRAGMA secure_delete=ON; BEGIN"));
    TRY(database_.run(kPublicTables));
    TRY(database_.run(kOwnTables));
    TRY(write_tree(flist.image.tree));
    TRY(write_rest(flist));
    TRY(database_.run(kIndexes));
    TRY(database_.run("COMMIT"));
    return database_.serialize();
  }

 private:
  explicit Writer(Database database) : database_(std::move(database)) {}

  struct Name {
    int64_t parent;
    const std::string* name;
    NodeNumber node;
  };

  Status write_tree(const image::Tree& tree) {
    const std::string root = "/";
    std::vector<Name> names = {{0, &root, 0}};
    std::vector<int64_t> first_ino(tree.nodes.size(), 0);
    Statement inode = TRY(database_.prepare(
        "INSERT INTO inode (ino, parent, name, size, uid, gid, mode, rdev, ctime, mtime) VALUES (?,?,?,?,?,?,?,?,?,?)"));
    Statement link = TRY(database_.prepare("INSERT INTO mcloud_link (ino, first) VALUES (?,?)"));
    for (size_t i = 0; i < names.size(); ++i) {
      Name name = names[i];
      auto ino = static_cast<int64_t>(i) + 1;
      const Node& node = tree.nodes[name.node];
      TRY(write_inode(inode, ino, name, node));
      int64_t& first = first_ino[name.node];
      if (first != 0) TRY(link.bind(0, ino).bind(1, first).execute());
      if (first == 0) first = ino;
      for (const auto& [child_name, child] : node.children) names.push_back({ino, &child_name, child});
    }
    return write_contents(tree, names, first_ino);
  }

  Status write_inode(Statement& statement, int64_t ino, const Name& name, const Node& node) {
    std::string public_name = to_utf8(*name.name);
    bool is_device = node.type == Node::Type::CharacterDevice || node.type == Node::Type::BlockDevice;
    statement.bind(0, ino).bind(1, name.parent).bind_text(2, public_name).bind(3, size_of(node));
    statement.bind(4, node.user).bind(5, node.group).bind(6, file_type(node.type) | node.mode);
    statement.bind(7, is_device ? static_cast<int64_t>(makedev(node.device_major, node.device_minor)) : 0);
    return statement.bind(8, node.modified_s).bind(9, node.modified_s).execute();
  }

  // What hangs at rows: in the public tables at each name's, in ours at the node's first.
  Status write_contents(const image::Tree& tree, const std::vector<Name>& names, const std::vector<int64_t>& first_ino) {
    Statement extra = TRY(database_.prepare("INSERT INTO extra (ino, data) VALUES (?,?)"));
    Statement block = TRY(database_.prepare("INSERT INTO block (ino, id, key) VALUES (?,?,?)"));
    Statement raw_name = TRY(database_.prepare("INSERT INTO mcloud_name (ino, name) VALUES (?,?)"));
    Statement time = TRY(database_.prepare("INSERT INTO mcloud_time (ino, mtime_ns) VALUES (?,?)"));
    Statement sha256 = TRY(database_.prepare("INSERT INTO mcloud_sha256 (ino, sha256) VALUES (?,?)"));
    Statement attribute = TRY(database_.prepare("INSERT INTO mcloud_attribute (ino, name, value) VALUES (?,?,?)"));
    for (size_t i = 0; i < names.size(); ++i) {
      auto ino = static_cast<int64_t>(i) + 1;
      const Node& node = tree.nodes[names[i].node];
      if (!is_utf8(*names[i].name)) TRY(raw_name.bind(0, ino).bind_blob(1, *names[i].name).execute());
      if (node.type == Node::Type::Link) TRY(extra.bind(0, ino).bind_blob(1, node.target).execute());
      for (const image::BlockRef& ref : node.blocks) {
        TRY(block.bind(0, ino).bind_blob(1, ref.id.view()).bind_blob(2, ref.key.view()).execute());
      }
      if (first_ino[names[i].node] != ino) continue;
      if (node.modified_ns != 0) TRY(time.bind(0, ino).bind(1, node.modified_ns).execute());
      if (!node.sha256.empty()) TRY(sha256.bind(0, ino).bind_blob(1, node.sha256).execute());
      for (const auto& [key, value] : node.attributes) {
        TRY(attribute.bind(0, ino).bind_blob(1, key).bind_blob(2, value).execute());
      }
    }
    return {};
  }

  Status write_rest(const Flist& flist) {
    Statement tag = TRY(database_.prepare("INSERT INTO tag (key, value) VALUES (?,?)"));
    for (const auto& [key, value] : flist.tags) TRY(tag.bind_text(0, key).bind_text(1, value).execute());
    Statement route = TRY(database_.prepare("INSERT INTO route (start, end, url) VALUES (?,?,?)"));
    for (const image::Route& one : flist.routes) {
      TRY(route.bind(0, one.first).bind(1, one.last).bind_text(2, one.url).execute());
    }
    Statement version = TRY(database_.prepare("INSERT INTO mcloud_format (version) VALUES (?)"));
    TRY(version.bind(0, kFormatVersion).execute());
    Statement config = TRY(database_.prepare("INSERT INTO mcloud_config (document) VALUES (?)"));
    if (!flist.image.config.empty()) TRY(config.bind_blob(0, flist.image.config).execute());
    Statement origin = TRY(database_.prepare("INSERT INTO mcloud_origin (digest) VALUES (?)"));
    for (const std::string& line : flist.image.origin) TRY(origin.bind_text(0, line).execute());
    Statement signature = TRY(database_.prepare("INSERT INTO mcloud_signature (signer, signature) VALUES (?,?)"));
    for (const ImageSignature& one : flist.signatures) {
      TRY(signature.bind_blob(0, one.signer.view()).bind_blob(1, one.signature).execute());
    }
    Statement trace = TRY(database_.prepare("INSERT INTO mcloud_trace (line) VALUES (?)"));
    for (const std::string& line : flist.trace) TRY(trace.bind_blob(0, line).execute());
    return {};
  }

  Database database_;
};

}  // namespace

Result<Bytes> format_flist(const Flist& flist) {
  TRY(check_flist(flist));
  Writer writer = TRY(Writer::create());
  return writer.run(flist);
}

}  // namespace mcloud::flist
