// mcloud image ls | tree | cat
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "cli/image_path.h"
#include "cli/show.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
using image::Index;
using image::IndexNode;
using image::Node;
using image::NodeNumber;

constexpr uint64_t kJsonBytesMax = 64 << 20;  // of a file that is shown as a document

Json json_of(const Index& index, NodeNumber number, const std::string& path) {
  IndexNode node = index.node(number);
  Json json = {{"path", path},          {"type", type_word(node.type)}, {"mode", node.mode},  {"user", node.user},
               {"group", node.group},   {"links", node.links},          {"bytes", node.bytes}, {"blocks", 0},
               {"modified_ms", node.modified_s * 1000 + node.modified_ns / 1'000'000}, {"target", ""}};
  if (node.type == Node::Type::File) json["blocks"] = node.count;
  if (node.type == Node::Type::Link) json["target"] = std::string(index.target(number));
  if (node.device_major + node.device_minor > 0) json["device"] = {node.device_major, node.device_minor};
  json["attributes"] = Json::array();
  for (uint32_t i = 0; i < index.attributes(number); ++i)
    json["attributes"].push_back(std::string(index.attribute(number, i).first));
  return json;
}

// What stands in a folder, or the one thing at a path that is none.
struct Listed {
  std::string name;
  NodeNumber node;
};
Result<std::vector<Listed>> listed_at(const Index& index, const std::string& path) {
  NodeNumber there = TRY(find_path(index, path, LastLink::Follow));
  IndexNode node = index.node(there);
  if (node.type != Node::Type::Folder) return std::vector<Listed>{{path, TRY(find_path(index, path, LastLink::Stay))}};
  std::vector<Listed> out;
  for (uint32_t i = 0; i < node.count; ++i) {
    image::IndexEntry entry = index.entry(there, i);
    out.push_back({std::string(entry.name), entry.node});
  }
  return out;
}

struct LookWords {
  std::string file, path = "/";
  bool is_long = false;
  std::vector<std::string> stores;
};

Status ls(Desk& desk, const LookWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  const Index& index = *file.index;
  Json entries = Json::array();
  Table table{{"MODE", "LINKS", "OWNER", "SIZE", "MODIFIED", "NAME"}, {}};
  for (const Listed& one : TRY(listed_at(index, words.path))) {
    entries.push_back(json_of(index, one.node, one.name));
    if (!words.is_long) {
      desk.out().line(printable(one.name));
      continue;
    }
    IndexNode node = index.node(one.node);
    bool is_link = node.type == Node::Type::Link;
    uint64_t modified_ms = node.modified_s > 0 ? static_cast<uint64_t>(node.modified_s) * 1000 : 0;
    table.rows.push_back({mode_text(node), std::to_string(node.links),
                          std::to_string(node.user) + ":" + std::to_string(node.group),
                          is_link ? "" : extent_text(index, one.node), format_time(modified_ms),
                          one.name + (is_link ? " " + extent_text(index, one.node) : "")});
  }
  if (words.is_long) desk.out().table(table);
  desk.out().document({{"path", words.path}, {"entries", std::move(entries)}});
  return {};
}

Status tree(Desk& desk, const LookWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  const Index& index = *file.index;
  NodeNumber top = TRY(find_path(index, words.path, LastLink::Follow));
  Json entries = Json::array();
  walk(index, top, "", [&](const std::string& path, NodeNumber node) {
    if (desk.out().is_json()) {
      entries.push_back(json_of(index, node, path));
      return;
    }
    std::string extent = extent_text(index, node);
    desk.out().line(mode_text(index.node(node)) + "  " + printable(path) + (extent.empty() ? "" : "  " + printable(extent)));
  });
  desk.out().document({{"path", words.path}, {"entries", std::move(entries)}});
  return {};
}

Status print(BytesView bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error(errno, "standard output");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status cat(Desk& desk, const LookWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  const Index& index = *file.index;
  NodeNumber number = TRY(find_path(index, words.path, LastLink::Follow));
  IndexNode node = index.node(number);
  if (node.type != Node::Type::File)
    return make_error(Code::Invalid, words.path + " is a " + std::string(type_word(node.type)) + ", not a file");
  if (desk.out().is_json() && node.bytes > kJsonBytesMax)
    return make_error(Code::Exhausted, words.path + " is larger than 64 MiB: too much for one document");
  auto routes = TRY(file.open_routes(words.stores));
  Bytes content;
  for (uint32_t block = 0; block < node.count; ++block) {
    Bytes plain = TRY(read_block(*routes, index, number, block).with_context(words.path));
    if (desk.out().is_json()) content += plain;
    else TRY(print(plain));
  }
  desk.out().document({{"path", words.path}, {"bytes", node.bytes}, {"content_base64", to_base64(content)}});
  return {};
}

}  // namespace

Command image_ls_command() {
  auto words = std::make_shared<LookWords>();
  Command command("image ls", "what is in a folder of an image");
  command.example("mcloud image ls hello.fl /bin -l")
      .describe("Reads no content. Links on the way lead around inside the image only.")
      .argument("FILE", "a .fl file, or its web address", words->file)
      .optional_argument("PATH", "in the image (default: /)", words->path)
      .flag("-l,--long", "modes, owners, sizes, times", words->is_long)
      .run([words](Desk& desk) { return ls(desk, *words); });
  return command;
}

Command image_tree_command() {
  auto words = std::make_shared<LookWords>();
  Command command("image tree", "everything below a folder of an image");
  command.example("mcloud image tree hello.fl /etc")
      .argument("FILE", "a .fl file, or its web address", words->file)
      .optional_argument("PATH", "in the image (default: /)", words->path)
      .run([words](Desk& desk) { return tree(desk, *words); });
  return command;
}

Command image_cat_command() {
  auto words = std::make_shared<LookWords>();
  Command command("image cat", "print a file of an image");
  command.example("mcloud image cat hello.fl /etc/passwd")
      .describe("Fetches the file's blocks and checks each before it is printed.")
      .argument("FILE", "a .fl file, or its web address", words->file)
      .argument("PATH", "in the image", words->path)
      .option("--store", "URL", "look there too; repeatable", words->stores)
      .run([words](Desk& desk) { return cat(desk, *words); });
  return command;
}

}  // namespace mcloud::cli
