// A name that loses some of its records: what clients see meanwhile.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "network/test_resolver.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

struct Heard {
  size_t answers = 0;  // with records
  size_t empty = 0;    // the name is there, its records are not
  size_t unknown = 0;  // NXDOMAIN
  size_t other = 0;    // anything else, or nothing within a second
};

std::string query(const std::string& name, uint16_t type, uint16_t id) {
  std::string out = {static_cast<char>(id >> 8), static_cast<char>(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  for (size_t at = 0, end = 0; at < name.size(); at = end + 1) {
    end = name.find('.', at);
    out += static_cast<char>(end - at);
    out += name.substr(at, end - at);
  }
  return out + std::string({0, static_cast<char>(type >> 8), static_cast<char>(type & 0xff), 0, 1});
}

// Asks as fast as it is answered, until `until` has something to read. In a process of its own.
Heard ask_without_pause(int until, const std::vector<std::pair<std::string, uint16_t>>& questions) {
  Heard heard;
  int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(53);
  server.sin_addr.s_addr = htonl(ip(kResolverAddress).value);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server) != 0) return heard;
  for (uint16_t id = 0;; ++id) {
    pollfd stopped{until, POLLIN, 0};
    if (::poll(&stopped, 1, 0) == 1) return heard;
    const auto& [name, type] = questions[id % questions.size()];
    std::string packet = query(name, type, id);
    if (::send(fd, packet.data(), packet.size(), 0) < 0) return heard;
    pollfd waiting{fd, POLLIN, 0};
    char answer[2048];
    ssize_t size = ::poll(&waiting, 1, 1'000) == 1 ? ::recv(fd, answer, sizeof answer, 0) : 0;
    bool is_ours = size >= 12 && std::memcmp(answer, packet.data(), 2) == 0;
    int code = is_ours ? answer[3] & 15 : -1;
    bool has_records = is_ours && (answer[6] != 0 || answer[7] != 0);
    ++(code == 0 ? (has_records ? heard.answers : heard.empty) : code == 3 ? heard.unknown : heard.other);
  }
}

// One that asks in network `network` of the bench.
class Asker {
 public:
  Asker(const ResolverBench& bench, size_t network, const std::vector<std::pair<std::string, uint16_t>>& questions) {
    int stop[2], result[2];
    REQUIRE_EQ(::pipe2(stop, O_CLOEXEC), 0);
    REQUIRE_EQ(::pipe2(result, O_CLOEXEC), 0);
    child_ = ::fork();
    REQUIRE_GE(child_, 0);
    if (child_ == 0) {
      ::close(stop[1]);
      if (::setns(bench.networks[network].netns.get(), CLONE_NEWNET) != 0) ::_exit(1);
      Heard heard = ask_without_pause(stop[0], questions);
      ::_exit(::write(result[1], &heard, sizeof heard) == sizeof heard ? 0 : 1);
    }
    stop_ = io::Fd(stop[1]);
    result_ = io::Fd(result[0]);
    ::close(stop[0]);
    ::close(result[1]);
  }
  Heard finish() {
    CHECK_EQ(::write(stop_.get(), ".", 1), 1);
    Heard heard;
    CHECK_EQ(::read(result_.get(), &heard, sizeof heard), static_cast<ssize_t>(sizeof heard));
    ::waitpid(child_, nullptr, 0);
    return heard;
  }

 private:
  pid_t child_ = -1;
  io::Fd stop_, result_;
};

constexpr uint16_t kA = 1, kAaaa = 28, kSrv = 33, kPtr = 12;

}  // namespace

TEST_CASE("a name that loses one record after the other is answered all the time, and nobody else sees it") {
  if (!can_resolve()) return;
  ResolverBench bench(2);
  bench.open();
  auto web = [](std::vector<uint32_t> indexes) {
    std::vector<ServedMember> members;
    for (uint32_t i : indexes) members.push_back(member("web", i, "10.42.0." + std::to_string(7 + i), "fd00::" + std::to_string(7 + i)));
    return names_of(0, std::move(members));
  };
  NetworkNames other = names_of(1, {member("db", 0, "10.43.0.7")});
  const std::vector<NetworkNames> wishes = {web({0, 1, 2}), web({1, 2}), web({0, 2}), web({2}), web({0, 1})};
  bench.apply({wishes[0], other});
  Asker own(bench, 0, {{"web.hello.internal.", kA}, {"web.hello.internal.", kAaaa}, {"_http._tcp.web.hello.internal.", kSrv}});
  Asker stranger(bench, 1, {{"web.hello.internal.", kA}, {"_http._tcp.web.hello.internal.", kSrv}});
  for (size_t i = 1; i <= 200; ++i) bench.apply({wishes[i % wishes.size()], other});
  Heard heard = own.finish(), strange = stranger.finish();
  MESSAGE(heard.answers, " answers and ", strange.unknown, " refusals in 200 changes");
  CHECK_GT(heard.answers, 1'000);
  CHECK_EQ(heard.unknown, 0);
  CHECK_EQ(heard.empty, 0);
  CHECK_EQ(heard.other, 0);
  CHECK_GT(strange.unknown, 1'000);
  CHECK_EQ(strange.answers + strange.empty + strange.other, 0);
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7 | 10.42.0.8 | 10.42.0.9");
}

TEST_CASE("an address that changes hands has a name all the time, in both families, and nobody else sees it") {
  if (!can_resolve()) return;
  ResolverBench bench(3);
  bench.open();
  auto owned_by = [](const std::string& workload) {
    return names_of(0, {member(workload, 0, "10.42.0.7", "fd00::7"), member(workload, 1, "172.20.0.7"), member(workload, 2, "192.168.3.7")});
  };
  // One stranger has the range too, the other does not.
  NetworkNames same = names_of(1, {member("same", 0, "10.42.0.8")}), other = names_of(2, {member("other", 0, "10.43.0.8")});
  bench.apply({owned_by("web"), same, other});
  const std::string reverse6 = "7." + [] { std::string zeros; for (int i = 0; i < 29; ++i) zeros += "0."; return zeros; }() + "d.f.ip6.arpa.";
  const std::vector<std::pair<std::string, uint16_t>> questions = {
      {"7.0.42.10.in-addr.arpa.", kPtr}, {"7.0.20.172.in-addr.arpa.", kPtr}, {"7.3.168.192.in-addr.arpa.", kPtr}, {reverse6, kPtr}};
  Asker own(bench, 0, questions), stranger(bench, 1, questions), farther(bench, 2, questions);
  for (int i = 1; i <= 200; ++i) bench.apply({owned_by(i % 2 == 0 ? "web" : "db"), same, other});
  Heard heard = own.finish(), strange = stranger.finish(), far = farther.finish();
  MESSAGE(heard.answers, " answers and ", strange.unknown + far.unknown, " refusals in 200 changes");
  CHECK_GT(heard.answers, 1'000);
  CHECK_EQ(heard.unknown + heard.empty + heard.other, 0);
  for (const Heard& one : {strange, far}) {
    CHECK_GT(one.unknown, 1'000);
    CHECK_EQ(one.answers + one.empty + one.other, 0);
  }
  CHECK_EQ(bench.ask(0, "PTR", "10.42.0.7"), "web-0.hello.internal.");
  CHECK_EQ(bench.ask(0, "PTR", "fd00::7"), "web-0.hello.internal.");
  CHECK_EQ(bench.ask(1, "PTR", "10.42.0.8"), "same-0.hello.internal.");
}
