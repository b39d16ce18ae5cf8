// Followers of a master, killed and started anew, and read all the time: what a follower shows is a prefix of what the
// master wrote, and never goes back.
#pragma once

#include <cstdint>
#include <string>

namespace mcloud::linear {

struct Options {
  uint64_t rounds = 8, kills = 3, seed = 1;
  uint32_t clients = 6;
  std::string mcloud;
};

// Prints what is wrong and "N passed, N failed"; the program's exit code.
int run_followers(const Options& options);

}  // namespace mcloud::linear
