// Many clients change few keys of a real server while it is killed (-9) and started anew; then every key's history must
// be linear: one order explains all answers, what was acknowledged is never lost, what was seen never disappears.
// The last line is "N passed, N failed".
//
//   kv_linear [--rounds 8] [--kills 3] [--clients 6] [--seed 1] [--mcloud PROGRAM]
//   kv_linear --followers --mcloud PROGRAM [...]    the same for followers: their reads are prefixes and never go back
//   --mcloud takes the product's `kv serve`; without it this program serves, with small segments and compaction
#include <fmt/core.h>

#include <thread>

#include "followers.h"
#include "judge.h"
#include "server.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::linear;

namespace {

struct Round {
  std::string name, dialect, durability;
  uint64_t seed = 1;
};

std::vector<Object> some_objects() {
  std::vector<Object> objects;
  for (const char* name : {"a", "b", "c", "d"}) objects.push_back({Object::Kind::String, {name}});
  for (const char* name : {"m", "n"}) objects.push_back({Object::Kind::Counter, {name}});
  for (const char* name : {"x", "y"})
    objects.push_back({Object::Kind::Pair, {std::string(name) + "1", std::string(name) + "2"}});
  return objects;
}

std::vector<std::string> server_command(const Options& options, const Round& round, const std::string& folder) {
  if (options.mcloud.empty()) return {"/proc/self/exe", "serve", folder, round.dialect, round.durability};
  return {options.mcloud, "kv",           "serve",          "--data", folder,      "--dialect", round.dialect,
          "--durability", round.durability, "--threads", "3"};
}

// Waits until so many more answers came. False: they do not come.
bool wait_for_answers(const std::atomic<uint64_t>& answered, uint64_t more) {
  uint64_t wanted = answered + more;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (answered < wanted) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));  // a poll, not a wait for something to be done
  }
  return true;
}

Findings run(const Options& options, const Round& round) {
  testing::TemporaryFolder folder;
  testing::SimulatedRandom random(round.seed);
  ServerProcess server(server_command(options, round, folder / "kv"));
  const std::vector<Object> objects = some_objects();
  bool is_redis = round.dialect == "redis";
  std::atomic<uint64_t> answered = 0;
  std::vector<Worker> workers(options.clients);
  std::vector<std::string> wrong;
  {
    std::vector<std::jthread> threads;
    for (uint32_t i = 0; i < options.clients; ++i) {
      workers[i].seed = round.seed;
      workers[i].number = i + 1;
      workers[i].speaks_redis = is_redis || i % 2 == 0;
      workers[i].says_hello = !is_redis && i % 2 == 0;
      workers[i].pipeline_max = i % 3 == 0 ? 1 : 8;
      threads.emplace_back([&, i] { workers[i].run(server, objects, answered); });
    }
    for (uint64_t life = 0; life <= options.kills; ++life) {
      if (Status started = server.start(); !started) {
        wrong.push_back(started.error().message);
        break;
      }
      if (!wait_for_answers(answered, 100 + random.below(400))) wrong.push_back("the server has stopped answering");
      server.kill();
    }
    server.retire();
  }
  std::vector<std::vector<Record>> records;
  for (Worker& worker : workers) {
    records.push_back(std::move(worker.records));
    wrong.insert(wrong.end(), worker.complaints.begin(), worker.complaints.end());
  }
  if (Status started = server.start(); !started) wrong.push_back(started.error().message);
  auto last = server.last_life();
  records.push_back(read_all(last.port, is_redis, false, 0, objects));
  if (records.back().empty()) wrong.push_back("nothing could be read at the end");
  server.kill();
  Findings findings = judge(objects, records);
  findings.wrong.insert(findings.wrong.begin(), wrong.begin(), wrong.end());
  return findings;
}

int run_rounds(const Options& options) {
  int passed = 0, failed = 0;
  Findings sum;
  const char* durabilities[] = {"always", "interval", "none"};
  for (uint64_t i = 0; i < options.rounds; ++i) {
    Round round{"", i % 2 == 0 ? "0-db" : "redis", durabilities[i % 3], options.seed + i};
    Findings findings = run(options, round);
    sum.operations += findings.operations;
    sum.unanswered += findings.unanswered;
    sum.states += findings.states;
    (findings.wrong.empty() ? passed : failed)++;
    for (const std::string& line : findings.wrong)
      fmt::print("FAILED round {} ({}, {}, --seed {} --rounds 1): {}\n", i, round.dialect, round.durability, round.seed,
                 line);
  }
  // A history without doubt about anything proves little.
  if (sum.unanswered < options.rounds * options.kills) {
    fmt::print("FAILED: only {} operations were cut off by {} kills\n", sum.unanswered, options.rounds * options.kills);
    ++failed;
  }
  fmt::print("{} operations, {} unanswered, {} states looked at\n", sum.operations, sum.unanswered, sum.states);
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> words(arguments + 1, arguments + count);
  if (!words.empty() && words[0] == "serve") return serve({words.begin() + 1, words.end()});
  Options options;
  bool wants_followers = false;
  for (size_t i = 0; i < words.size(); ++i) {
    bool has_value = i + 1 < words.size();
    if (words[i] == "--followers")
      wants_followers = true;
    else if (words[i] == "--rounds" && has_value)
      options.rounds = std::stoull(words[++i]);
    else if (words[i] == "--kills" && has_value)
      options.kills = std::stoull(words[++i]);
    else if (words[i] == "--clients" && has_value)
      options.clients = static_cast<uint32_t>(std::stoul(words[++i]));
    else if (words[i] == "--seed" && has_value)
      options.seed = std::stoull(words[++i]);
    else if (words[i] == "--mcloud" && has_value)
      options.mcloud = words[++i];
    else {
      fmt::print(stderr, "usage: see the head of tests/linear/main.cc\n");
      return 2;
    }
  }
  return wants_followers ? run_followers(options) : run_rounds(options);
}
