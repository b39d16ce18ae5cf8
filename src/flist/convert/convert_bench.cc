// convert_bench LAYOUT [ROUNDS]: an OCI layout into a folder of blocks, and `umoci unpack` of the same layers in the
// same run. Prints MB of file content a second, by the clock and by processor seconds of both. umoci syncs nothing;
// ours makes every block durable.
#include <fmt/core.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>

#include "flist/convert.h"
#include "io/process.h"

using namespace mcloud;

namespace {

double seconds(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; }

struct Moment {
  explicit Moment(int who) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    wall = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
    rusage usage{};
    getrusage(who, &usage);
    user = seconds(usage.ru_utime);
    system = seconds(usage.ru_stime);
  }
  double wall = 0, user = 0, system = 0;
};

struct Cost {
  Cost(const Moment& from, const Moment& to)
      : wall(to.wall - from.wall), user(to.user - from.user), system(to.system - from.system) {}
  double cpu() const { return user + system; }
  double wall, user, system;
};

void must(const Status& status) {
  if (status.has_value()) return;
  fmt::print(stderr, "{}\n", status.error().message);
  exit(1);
}

void print(const char* who, const Cost& cost, double mb) {
  fmt::print("{:<8} {:6.2f} s, cpu {:5.2f} s ({:.2f} user, {:.2f} system): {:.0f} MB/s, {:.0f} MB/s per core\n", who,
             cost.wall, cost.cpu(), cost.user, cost.system, mb / cost.wall, mb / cost.cpu());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return fmt::print(stderr, "convert_bench LAYOUT [ROUNDS]\n"), 2;
  std::string layout = argv[1];
  int rounds = argc > 2 ? atoi(argv[2]) : 3;
  char name[] = "/var/tmp/mcloud-convert-bench-XXXXXX";
  if (mkdtemp(name) == nullptr) return 1;
  std::string folder = name;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    must(io::remove_tree(folder + "/blocks"));
    must(io::remove_tree(folder + "/umoci"));
    flist::ConvertOptions options;
    options.stores = {image::Route{0, 255, "dir://" + folder + "/blocks"}};
    Moment start(RUSAGE_SELF);
    Result<flist::Converted> made = flist::convert("oci:" + layout, options);
    if (!made.has_value()) must(made.error());
    Cost ours(start, Moment(RUSAGE_SELF));
    Moment peer_start(RUSAGE_CHILDREN);
    Result<io::Outcome> unpacked =
        io::run_checked({{"umoci", "unpack", "--image", layout + ":latest", folder + "/umoci"}}, {600'000, 1 << 20});
    if (!unpacked.has_value()) must(unpacked.error());
    Cost theirs(peer_start, Moment(RUSAGE_CHILDREN));
    double mb = static_cast<double>(made->bytes) / 1e6;
    fmt::print("{:.0f} MB, {} blocks, {:.0f} MB stored\n", mb, made->blocks, static_cast<double>(made->stored_bytes) / 1e6);
    print("ours", ours, mb);
    print("umoci", theirs, mb);
    ratios.push_back(theirs.cpu() / ours.cpu());
    fmt::print("per core, ours/umoci: {:.2f}; by the clock: {:.2f}\n", ratios.back(), theirs.wall / ours.wall);
  }
  must(io::remove_tree(folder));
  std::sort(ratios.begin(), ratios.end());
  fmt::print("median per core, ours/umoci: {:.2f}\n", ratios[ratios.size() / 2]);
  return 0;
}
