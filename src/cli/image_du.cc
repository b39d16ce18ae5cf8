// mcloud image du
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "flist/usage.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string share_text(uint64_t part, uint64_t all) {
  return all == 0 ? "" : std::to_string((part * 100 + all / 2) / all) + " %";
}

Status du(Desk& desk, const std::vector<std::string>& names) {
  std::vector<std::shared_ptr<const image::Index>> images;
  for (const std::string& name : names) images.push_back(TRY(open_image_file(name)).index);
  flist::Usage usage = flist::usage_of(images);
  Table table{{"IMAGE", "FILES", "DIFFERENT BLOCKS", "IN NO OTHER", ""}, {}};
  Json list = Json::array();
  for (size_t i = 0; i < names.size(); ++i) {
    const flist::ImageUsage& one = usage.images[i];
    table.rows.push_back({names[i], format_size(one.bytes), format_size(one.distinct_bytes), format_size(one.own_bytes), ""});
    list.push_back({{"file", names[i]}, {"bytes", one.bytes}, {"distinct_bytes", one.distinct_bytes}, {"own_bytes", one.own_bytes}});
  }
  table.rows.push_back({{"all", Tone::Strong}, format_size(usage.bytes), format_size(usage.distinct_bytes), "",
                        share_text(usage.distinct_bytes, usage.bytes)});
  desk.out().table(table);
  desk.out().document({{"images", std::move(list)}, {"bytes", usage.bytes}, {"distinct_bytes", usage.distinct_bytes}});
  return {};
}

}  // namespace

Command image_du_command() {
  auto names = std::make_shared<std::vector<std::string>>();
  Command command("image du", "how much images have in common");
  command.example("mcloud image du debian.fl nginx.fl redis.fl")
      .describe("Sizes before compression. A store and a node's cache hold each different block once, whatever the number of images.")
      .arguments("FILE", "a .fl file, or its web address", *names, true)
      .run([names](Desk& desk) { return du(desk, *names); });
  return command;
}

}  // namespace mcloud::cli
