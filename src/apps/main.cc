// The one binary. Everything is a sub-command; this is the only place that knows them all.
#include <unistd.h>

#include <climits>
#include <iterator>

#include "apps/local_cluster.h"
#include "apps/processes.h"
#include "cli/commands.h"
#include "cli/program.h"
#include "flist/import.h"
#include "lab/cluster.h"

namespace {

// The path by which our own processes are started again, whatever the working folder is then.
std::string own_path() {
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : "mcloud";
}

void add(mcloud::cli::Commands& all, mcloud::cli::Commands some) {
  all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
}

}  // namespace

int main(int count, char** words) {
  std::vector<std::string> arguments(words + 1, words + count);
  // Reads a stranger's file: nothing of ours runs before it has locked itself in.
  if (arguments.size() == 1 && arguments[0] == mcloud::flist::kImporterCommand) mcloud::flist::run_importer();
  // The lab's own processes: what they inherit must be untouched by anything of ours.
  bool lab = arguments.size() >= 2 && arguments[0] == "lab" && (arguments[1] == "keeper" || arguments[1] == "root");
  if (lab) return mcloud::lab::run_hidden({arguments.begin() + 1, arguments.end()});

  mcloud::cli::ClusterMaker maker = mcloud::apps::local_cluster_maker(own_path());
  mcloud::cli::Commands commands = mcloud::cli::all_commands(maker);
  add(commands, mcloud::apps::ledger_commands());
  add(commands, mcloud::apps::publisher_commands());
  add(commands, mcloud::apps::sink_commands());
  add(commands, mcloud::apps::node_commands(own_path()));
  return mcloud::cli::run_program(commands, arguments);
}
