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

Result<lab::ClusterStatus> running(const std::string& folder, const std::vector<std::string>& nodes) {
  lab::ClusterStatus status = TRY(lab::Cluster(folder).status());
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
