// mcloud image diff
#include <nlohmann/json.hpp>

#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "cli/image_path.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct DiffWords {
  std::string before, after;
  DiffOptions options;
};

std::string_view word_of(ImageChange::Kind kind) {
  switch (kind) {
    case ImageChange::Kind::Added: return "added";
    case ImageChange::Kind::Removed: return "removed";
    case ImageChange::Kind::Changed: return "changed";
  }
  return "";
}

std::string line_of(const ImageChange& change) {
  char mark = change.kind == ImageChange::Kind::Added ? '+' : change.kind == ImageChange::Kind::Removed ? '-' : '~';
  std::string line = std::string(1, mark) + " /" + printable(change.path);
  for (const std::string& what : change.what) line += (&what == &change.what.front() ? "  " : ", ") + what;
  return line;
}

Status diff(Desk& desk, const DiffWords& words) {
  ImageFile before = TRY(open_image_file(words.before));
  ImageFile after = TRY(open_image_file(words.after));
  bool is_equal = before.imported.digest == after.imported.digest;
  Json changes = Json::array();
  for (const ImageChange& change : image_changes(*before.index, *after.index, words.options)) {
    desk.out().line(line_of(change));
    changes.push_back({{"path", "/" + change.path}, {"change", word_of(change.kind)}, {"what", change.what}});
  }
  bool has_config = before.index->config() != after.index->config();
  if (has_config) desk.out().line("~ config: how it is run");
  if (changes.empty() && !has_config) desk.out().line(is_equal ? "the images are the same" : "the files are the same");
  desk.out().document({{"equal", is_equal}, {"config_changed", has_config}, {"changes", std::move(changes)}});
  return {};
}

}  // namespace

Command image_diff_command() {
  auto words = std::make_shared<DiffWords>();
  Command command("image diff", "what differs between two images, path by path");
  command.example("mcloud image diff web-1.fl web-2.fl --ignore-times")
      .describe("Reads no content: it is compared by its blocks.")
      .argument("BEFORE", "a .fl file, or its web address", words->before)
      .argument("AFTER", "another", words->after)
      .flag("--ignore-times", "a new time alone is no change", words->options.ignores_times)
      .run([words](Desk& desk) { return diff(desk, *words); });
  return command;
}

}  // namespace mcloud::cli
