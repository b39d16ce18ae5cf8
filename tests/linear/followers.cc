#include "followers.h"

#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "client.h"
#include "server.h"
#include "testing/prefix.h"
#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"
#include "wire/resp.h"

namespace mcloud::linear {
namespace {

constexpr uint32_t kKeys = 12;

std::string key_of(uint32_t key) { return "k" + std::to_string(key); }

std::vector<std::string> serve_command(const Options& options, const std::string& folder) {
  return {options.mcloud, "kv", "serve", "--data", folder, "--dialect", "redis", "--threads", "2"};
}

// Writes counters to the keys in turns, each acknowledged before the next, until it is told to stop.
struct Master {
  std::vector<testing::PrefixWrite> writes;
  std::string complaint;

  void run(ServerProcess& server, const std::atomic<bool>& is_over) {
    uint64_t life = 0;
    while (!is_over) {
      auto next = server.wait_for_life_after(life);
      if (!next) return;
      life = next->number;
      Client client(next->port);
      while (client.is_open() && !is_over && write(client)) {
      }
    }
  }

 private:
  // One SET, or several in a transaction.
  bool write(Client& client) {
    const size_t first = writes.size(), count = ++rounds_ % 4 == 0 ? 3 : 1;
    Bytes bytes = count > 1 ? wire::resp_request({"MULTI"}) : Bytes();
    for (size_t i = first; i < first + count; ++i) {
      writes.push_back({static_cast<uint32_t>(i % kKeys), std::to_string(i + 1), now(), false, i + 1 < first + count});
      bytes += wire::resp_request({"SET", key_of(writes[i].key), writes[i].value});
    }
    if (count > 1) bytes += wire::resp_request({"EXEC"});
    if (!client.send(bytes)) return false;
    for (size_t replies = count > 1 ? count + 2 : 1; replies > 0; --replies) {
      std::optional<Reply> reply = client.receive();
      if (!reply) return false;
      if (reply->kind == '-') complaint = "the master answered " + reply->text;
      if (reply->kind == '-') return false;
    }
    for (size_t i = first; i < first + count; ++i) writes[i].is_sure = true;
    return true;
  }

  uint64_t rounds_ = 0;
};

// Reads random keys of one follower, life after life.
struct Reader {
  uint64_t seed = 0;
  std::vector<testing::PrefixRead> reads;

  void run(ServerProcess& server) {
    testing::SimulatedRandom random(seed);
    uint64_t life = 0;
    while (auto next = server.wait_for_life_after(life)) {
      life = next->number;
      Client client(next->port);
      while (client.is_open() && read(client, static_cast<uint32_t>(random.below(kKeys)))) {
      }
    }
  }

 private:
  bool read(Client& client, uint32_t key) {
    if (!client.send(wire::resp_request({"GET", key_of(key)}))) return false;
    std::optional<Reply> reply = client.receive();
    if (!reply) return false;
    if (reply->kind != '$') return true;  // a partial copy answers -LOADING
    reads.push_back({key, reply->is_null ? std::nullopt : std::optional(reply->text), now()});
    return true;
  }
};

// The follower shows the master's last write within twenty seconds.
bool catches_up(uint16_t port, const testing::PrefixWrite& last) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    Client client(port);
    if (!client.is_open() || !client.send(wire::resp_request({"GET", key_of(last.key)}))) return false;
    std::optional<Reply> reply = client.receive();
    if (!reply) return false;
    if (reply->kind == '$' && reply->text == last.value) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

std::vector<std::string> run_round(const Options& options, uint64_t seed, uint64_t& reads) {
  testing::TemporaryFolder folder;
  testing::SimulatedRandom random(seed);
  std::vector<std::string> wrong;
  auto must = [&](Status status) {
    if (!status) wrong.push_back(status.error().message);
    return status.has_value();
  };
  ServerProcess master(serve_command(options, folder / "master"));
  if (!must(master.start())) return wrong;
  std::vector<std::string> command = serve_command(options, folder / "follower");
  command.insert(command.end(), {"--follow", "127.0.0.1:" + std::to_string(master.last_life().port)});
  ServerProcess follower(command);
  if (!must(follower.start())) return wrong;

  Master writer;
  Reader reader{seed, {}};
  std::atomic<bool> is_over = false;
  {
    std::jthread writing([&] { writer.run(master, is_over); });
    std::jthread reading([&] { reader.run(follower); });
    for (uint64_t kill = 0; kill < options.kills && wrong.empty(); ++kill) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100 + random.below(500)));  // what is killed is random, too
      ServerProcess& victim = random.chance(30) ? master : follower;
      victim.kill();
      must(victim.start());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    is_over = true;
    master.retire();
    writing.join();
    if (!writer.complaint.empty()) wrong.push_back(writer.complaint);
    size_t last = writer.writes.size();
    while (last > 0 && !writer.writes[last - 1].is_sure) --last;
    if (last == 0)
      wrong.push_back("nothing was written");
    else if (!catches_up(follower.last_life().port, writer.writes[last - 1]))
      wrong.push_back("the follower does not catch up");
    follower.kill();
    follower.retire();
  }
  reads += reader.reads.size();
  if (reader.reads.size() < 100) wrong.push_back("only " + std::to_string(reader.reads.size()) + " reads were answered");
  std::string broken = testing::judge_prefix(writer.writes, reader.reads);
  if (!broken.empty()) wrong.push_back(broken);
  return wrong;
}

}  // namespace

int run_followers(const Options& options) {
  uint64_t passed = 0, failed = 0, reads = 0;
  for (uint64_t i = 0; i < options.rounds; ++i) {
    std::vector<std::string> wrong = run_round(options, options.seed + i, reads);
    (wrong.empty() ? passed : failed)++;
    for (const std::string& line : wrong)
      fmt::print("FAILED round {} (--seed {} --rounds 1): {}\n", i, options.seed + i, line);
  }
  fmt::print("{} reads of followers\n{} passed, {} failed\n", reads, passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace mcloud::linear
