#include "cli/cluster_talk.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bot/nearest.h"

namespace mcloud::cli {

std::string absolute(const std::string& folder) {
  std::error_code failed;
  std::filesystem::path path = std::filesystem::absolute(folder, failed);
  return failed ? folder : path.lexically_normal().string();
}

std::string folder_of(Desk& desk, const std::string& dir) {
  return absolute(dir.empty() ? desk.cluster_folder() : dir);
}

Error no_cluster(const std::string& folder) {
  return make_error(Code::Unavailable, "no cluster runs in " + folder + "; start one: mcloud cluster up --detach");
}

Result<lab::ClusterStatus> running(const std::string& folder, const std::vector<std::string>& nodes) {
  Result<lab::ClusterStatus> found = lab::Cluster(folder).status();
  if (!found && found.error().code == Code::NotFound) return no_cluster(folder);
  lab::ClusterStatus status = TRY(std::move(found));
  std::vector<std::string> names;
  for (const lab::NodeStatus& node : status.nodes) names.push_back(node.name);
  for (const std::string& node : nodes) {
    if (std::ranges::find(names, node) == names.end())
      return make_error(Code::NotFound, bot::not_found("node", node, names));
  }
  return status;
}

void done(Desk& desk, const std::string& what, const std::vector<std::string>& nodes) {
  desk.out().document({{"done", what}, {"nodes", nodes}});
  desk.out().line(what);
}

}  // namespace mcloud::cli
