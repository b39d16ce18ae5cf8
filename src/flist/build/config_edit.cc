#include "flist/build/config_edit.h"

#include <nlohmann/json.hpp>

#include "image/oci/manifest.h"
#include "wire/json.h"

namespace mcloud::flist {
namespace {

using Json = nlohmann::json;

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// A variable of the same name is replaced where it stands.
void set_variable(Json& variables, const std::string& name, const std::string& value) {
  std::string line = name + "=" + value;
  for (Json& variable : variables) {
    if (variable.is_string() && variable.get_ref<const std::string&>().starts_with(name + "=")) {
      variable = line;
      return;
    }
  }
  variables.push_back(line);
}

Json& list_of(Json& config, const char* name) {
  Json& list = config[name];
  if (!list.is_array()) list = Json::array();
  return list;
}

Json& set_of(Json& config, const char* name) {
  Json& set = config[name];
  if (!set.is_object()) set = Json::object();
  return set;
}

void change(Json& config, const Recipe& recipe) {
  if (recipe.entrypoint.has_value()) {
    config["Entrypoint"] = *recipe.entrypoint;
    config.erase("Cmd");
  }
  if (recipe.command.has_value()) config["Cmd"] = *recipe.command;
  for (const auto& [name, value] : recipe.environment) set_variable(list_of(config, "Env"), name, value);
  if (recipe.user.has_value()) config["User"] = *recipe.user;
  if (recipe.working_folder.has_value()) config["WorkingDir"] = *recipe.working_folder;
  if (recipe.stop_signal.has_value()) config["StopSignal"] = *recipe.stop_signal;
  for (const std::string& volume : recipe.volumes) set_of(config, "Volumes")[volume] = Json::object();
  for (const std::string& port : recipe.ports) set_of(config, "ExposedPorts")[port] = Json::object();
}

}  // namespace

Result<std::string> edit_config(const std::string& base, const Recipe& recipe) {
  if (!base.empty() && !recipe.changes_config()) return base;
  Json json = {{"architecture", image::machine_architecture()}, {"os", "linux"}, {"config", {{"Env", {std::string("PATH=") + kPath}}}}};
  if (!base.empty()) json = TRY(wire::parse_json(base).with_context("the base's config"));
  if (!json.is_object()) return make_error(Code::Corrupt, "the base's config is no JSON object");
  change(set_of(json, "config"), recipe);
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
  json.erase("history");
  return wire::json_text(json);
}

}  // namespace mcloud::flist
