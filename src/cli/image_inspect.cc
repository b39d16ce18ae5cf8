// mcloud image inspect
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"
#include "cli/desk.h"
#include "cli/image.h"
#include "cli/image_file.h"
#include "cli/image_path.h"
#include "image/oci/manifest.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Counts {
  std::map<std::string_view, uint64_t> nodes;  // by type
  uint64_t bytes = 0, blocks = 0, distinct_blocks = 0;
};

Counts count(const image::Index& index) {
  Counts counts;
  std::set<Hash> blocks;
  for (uint32_t number = 0; number < index.nodes(); ++number) {
    image::IndexNode node = index.node(number);
    ++counts.nodes[type_word(node.type)];
    if (node.type != image::Node::Type::File) continue;
    counts.bytes += node.bytes;
    counts.blocks += node.count;
    for (uint32_t i = 0; i < node.count; ++i) blocks.insert(index.block(number, i).id);
  }
  counts.distinct_blocks = blocks.size();
  return counts;
}

std::string words_of(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// Names of those whose keys are here.
std::string name_of(Desk& desk, const PublicKey& key) {
  auto found = desk.wallet().find(key.hex());
  return found.has_value() ? found->name : "";
}

Json json_of(const image::ImageConfig& config) {
  return {{"entrypoint", config.entrypoint},   {"command", config.command}, {"environment", config.environment},
          {"user", config.user},               {"working_folder", config.working_folder},
          {"stop_signal", config.stop_signal}, {"volumes", config.volumes}};
}

Json json_of(Desk& desk, const ImageFile& file, const Counts& counts, const image::ImageConfig& config) {
  Json json = {{"digest", file.imported.digest.text()}, {"bytes", counts.bytes},
               {"blocks", counts.blocks}, {"distinct_blocks", counts.distinct_blocks}};
  json["nodes"] = Json::object();
  for (const auto& [type, number] : counts.nodes) json["nodes"][std::string(type)] = number;
  json["config"] = json_of(config);
  json["routes"] = Json::array();
  for (const image::Route& route : file.imported.routes) json["routes"].push_back(route_text(route));
  json["tags"] = file.imported.tags;
  json["signatures"] = Json::array();
  for (const flist::ImageSignature& one : file.imported.signatures)
    json["signatures"].push_back({{"signer", one.signer.hex()}, {"name", name_of(desk, one.signer)}});
  json["trace_blocks"] = file.imported.trace.size();
  json["origin"] = file.index->image().origin;
  return json;
}

void show(Desk& desk, const std::string& name_of_file, const ImageFile& file, const Counts& counts, const image::ImageConfig& config) {
  Table table{{"FILE", printable(name_of_file)}, {}};
  auto row = [&](const char* name, const std::string& value) {
    if (!value.empty()) table.rows.push_back({{name, Tone::Faint}, value});
  };
  row("digest", file.imported.digest.text());
  row("content", format_size(counts.bytes) + " in " + std::to_string(counts.blocks) + " blocks, " +
                     std::to_string(counts.distinct_blocks) + " of them different");
  std::string nodes;
  for (const auto& [type, number] : counts.nodes)
    nodes += (nodes.empty() ? "" : ", ") + std::to_string(number) + " " + std::string(type) + (number == 1 ? "" : "s");
  row("holds", nodes);
  row("runs", words_of(config.entrypoint) + (config.entrypoint.empty() ? "" : " ") + words_of(config.command));
  row("user", config.user);
  row("in", config.working_folder);
  for (const std::string& variable : config.environment) row("sets", variable);
  row("volumes", words_of(config.volumes));
  for (const image::Route& route : file.imported.routes) row("blocks at", route_text(route));
  for (const auto& [name, value] : file.imported.tags) row("tag", name + "=" + value);
  for (const flist::ImageSignature& one : file.imported.signatures) {
    std::string name = name_of(desk, one.signer);
    row("signed by", one.signer.hex() + (name.empty() ? "" : " (" + name + ")"));
  }
  if (!file.imported.trace.empty()) row("start-up trace", std::to_string(file.imported.trace.size()) + " blocks");
  for (const std::string& one : file.index->image().origin) row("made of", one);
  desk.out().table(table);
}

}  // namespace

Command image_inspect_command() {
  auto name = std::make_shared<std::string>();
  Command command("image inspect", "what a .fl file says about its image");
  command.example("mcloud image inspect hello.fl")
      .describe("The digest is what contracts name and what people sign. Signatures that do not hold are not shown.")
      .argument("FILE", "a .fl file, or its web address", *name)
      .run([name](Desk& desk) -> Status {
        ImageFile file = TRY(open_image_file(*name));
        image::ImageConfig config;
        if (!file.index->config().empty()) config = TRY(image::parse_config(file.index->config())).config;
        Counts counts = count(*file.index);
        desk.out().document(json_of(desk, file, counts, config));
        if (!desk.out().is_json()) show(desk, *name, file, counts, config);
        return {};
      });
  return command;
}

}  // namespace mcloud::cli
