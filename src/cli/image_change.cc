// mcloud image tag | sign | trace | stores: what a `.fl` file says beside its image. The digest stays.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "io/file.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kTraceBytesMax = 4 << 20;

struct ChangeWords {
  std::string file, trace_file;
  std::vector<std::string> tags, added, removed;
  bool writes_secrets = false;
};

Status tag(Desk& desk, const ChangeWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  flist::Flist flist = file.flist();
  for (const std::string& text : words.tags) {
    size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return make_error(Code::Invalid, "\"" + text + "\" is no tag; allowed: NAME=VALUE, or NAME= to take it away");
    std::string name = text.substr(0, equals), value = text.substr(equals + 1);
    if (value.empty()) flist.tags.erase(name);
    else flist.tags[name] = value;
  }
  if (!words.tags.empty()) TRY(flist::write_flist(words.file, flist));
  for (const auto& [name, value] : flist.tags) desk.out().line(printable(name + "=" + value));
  desk.out().document({{"file", words.file}, {"digest", file.imported.digest.text()}, {"tags", flist.tags}});
  return {};
}

Status sign(Desk& desk, const ChangeWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  std::string name = TRY(desk.key_name());
  crypto::SigningKey key = TRY(desk.wallet().unlock(name));
  flist::Flist flist = file.flist();
  auto is_ours = [&](const flist::ImageSignature& one) { return one.signer == key.public_key(); };
  std::erase_if(flist.signatures, is_ours);
  flist.signatures.push_back(flist::sign_image(key, file.imported.digest));
  std::sort(flist.signatures.begin(), flist.signatures.end(),
            [](const auto& a, const auto& b) { return a.signer < b.signer; });
  TRY(flist::write_flist(words.file, flist));
  desk.out().document({{"file", words.file}, {"digest", file.imported.digest.text()},
                       {"signer", key.public_key().hex()}, {"signatures", flist.signatures.size()}});
  desk.out().line(name + " has signed " + file.imported.digest.text());
  return {};
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Status trace(Desk& desk, const ChangeWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  flist::Flist flist = file.flist();
  if (!words.trace_file.empty()) {
    flist.trace = lines_of(TRY(io::read_file(words.trace_file, kTraceBytesMax)));
    TRY(flist::write_flist(words.file, flist));
  }
  for (const std::string& line : flist.trace) desk.out().line(printable(line));
  desk.out().document({{"file", words.file}, {"digest", file.imported.digest.text()}, {"trace", flist.trace}});
  return {};
}

Status stores(Desk& desk, const ChangeWords& words) {
  ImageFile file = TRY(open_image_file(words.file));
  flist::Flist flist = file.flist();
  for (const std::string& text : words.removed) {
    auto is_it = [&](const image::Route& route) { return route_text(route) == text || route.url == text; };
    if (std::erase_if(flist.routes, is_it) == 0)
      return make_error(Code::NotFound, "the file names no store " + text + "; it names: mcloud image stores " + words.file);
  }
  for (image::Route& route : TRY(parse_routes(words.added))) {
    if (!words.writes_secrets) route.url = image::without_secrets(route.url);
    bool is_there = std::find(flist.routes.begin(), flist.routes.end(), route) != flist.routes.end();
    if (!is_there) flist.routes.push_back(std::move(route));
  }
  bool has_changed = !words.added.empty() || !words.removed.empty();
  if (has_changed) TRY(flist::write_flist(words.file, flist));
  Json routes = Json::array();
  for (const image::Route& route : flist.routes) {
    desk.out().line(printable(route_text(route)));
    routes.push_back(route_text(route));
  }
  desk.out().document({{"file", words.file}, {"digest", file.imported.digest.text()}, {"routes", std::move(routes)}});
  return {};
}

}  // namespace

Command image_stores_command() {
  auto words = std::make_shared<ChangeWords>();
  Command command("image stores", "show or change where a .fl file says its blocks lie");
  command.example("mcloud image stores hello.fl --add https://blocks.example/hello --remove dir:///srv/blocks")
      .describe("Moves no block: put them there first (a folder of blocks can be served by any web server). The digest stays.")
      .argument("FILE", "a .fl file", words->file)
      .option("--add", "URL", "another store, with a range in front if it has not all; repeatable", words->added)
      .option("--remove", "URL", "one that is there; repeatable", words->removed)
      .flag("--write-secrets", "keep passwords of stores in the file, which others may read", words->writes_secrets)
      .run([words](Desk& desk) { return stores(desk, *words); });
  return command;
}

Command image_tag_command() {
  auto words = std::make_shared<ChangeWords>();
  Command command("image tag", "show or set what a .fl file says about itself");
  command.example("mcloud image tag hello.fl version=1.2 author=ida")
      .describe("version, description, author, custom; names up to 10 bytes, values up to 255. The digest stays.")
      .argument("FILE", "a .fl file", words->file)
      .arguments("NAME=VALUE", "a tag; with nothing behind = it is taken away", words->tags, false)
      .run([words](Desk& desk) { return tag(desk, *words); });
  return command;
}

Command image_sign_command() {
  auto words = std::make_shared<ChangeWords>();
  Command command("image sign", "sign the image of a .fl file with a key");
  command.example("mcloud image sign hello.fl --key ida")
      .describe("Contracts may require signatures (image: {source, signed_by}). What is signed is the digest, which covers\n"
                "names, owners, modes, times, content and configuration, not where blocks lie.")
      .argument("FILE", "a .fl file", words->file)
      .run([words](Desk& desk) { return sign(desk, *words); });
  return command;
}

Command image_trace_command() {
  auto words = std::make_shared<ChangeWords>();
  Command command("image trace", "show or set which blocks a start of the image needs first");
  command.example("mcloud image trace hello.fl --set trace.txt")
      .describe("A line per block: its file's path in the image and the block's number. A node fetches them before they are\n"
                "asked for. The digest stays.")
      .argument("FILE", "a .fl file", words->file)
      .option("--set", "FILE", "lines to put in its place", words->trace_file)
      .run([words](Desk& desk) { return trace(desk, *words); });
  return command;
}

}  // namespace mcloud::cli
