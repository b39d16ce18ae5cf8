#include "node/kv_adapter.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>  // the process at the other end of the socket

#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

// Takes one connection, reads one request, says what it is told to.
class OtherEnd {
 public:
  OtherEnd(const std::string& folder, std::string reply) : listener_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string path = folder + "/socket";
    std::copy(path.begin(), path.end(), address.sun_path);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    thread_ = std::thread([this, reply = std::move(reply)] {
      io::Fd connection(::accept(listener_.get(), nullptr, nullptr));
      char buffer[4096];
      ssize_t got = ::recv(connection.get(), buffer, sizeof buffer, 0);
      if (got > 0) heard.assign(buffer, static_cast<size_t>(got));
      for (char byte : reply) (void)!::send(connection.get(), &byte, 1, MSG_NOSIGNAL);
      if (reply.empty()) (void)!::recv(connection.get(), buffer, sizeof buffer, 0);  // until the asker has had enough
    });
  }
  ~OtherEnd() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string heard;

 private:
  io::Fd listener_;
  std::thread thread_;
};

std::string status_reply() {
  std::vector<std::string> fields = {"role", "follower", "term", "5", "rank_term", "4", "rank_generation", "1",
                                     "rank_position", "99", "complete", "no", "voters_revision", "0", "proposal", "",
                                     "master", "10.0.0.1:6379", "reason", ""};
  std::string reply = "*" + std::to_string(fields.size()) + "\r\n";
  for (const std::string& field : fields) reply += "$" + std::to_string(field.size()) + "\r\n" + field + "\r\n";
  return reply;
}

std::string why(const Result<std::vector<std::string>>& answer) { return answer.has_value() ? "" : answer.error().message; }

}  // namespace

TEST_CASE("a member answers with its status, in however many pieces it comes") {
  testing::TemporaryFolder folder;
  REQUIRE(make_control_folder(folder / "web-0", geteuid()).has_value());
  OtherEnd process(folder / "web-0", status_reply());
  auto status = KvAdapter(folder / "").ask("web-0", {.verb = GroupVerb::Promise, .term = 5});
  REQUIRE_MESSAGE(status.has_value(), status.error().message);
  CHECK(status->role == GroupRole::Follower);
  CHECK(status->rank_position == 99);
  CHECK(status->master == "10.0.0.1:6379");
  CHECK(process.heard == "*3\r\n$5\r\nGROUP\r\n$7\r\nPROMISE\r\n$1\r\n5\r\n");
}

TEST_CASE("a control folder is for the contract's range only") {
  testing::TemporaryFolder folder;
  REQUIRE(make_control_folder(folder / "a", geteuid()).has_value());
  struct stat facts{};
  REQUIRE(::stat((folder / "a").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0700);
  REQUIRE(io::write_file(folder / "a/left", "by another life", io::Durability::None).has_value());
  REQUIRE(make_control_folder(folder / "a", geteuid()).has_value());
  CHECK(!io::exists(folder / "a/left"));
}

TEST_CASE("a fenced member, a silent one and one that talks nonsense are told apart") {
  testing::TemporaryFolder folder;
  std::string place = folder / "a";
  auto ask = [&](std::string reply) {
    REQUIRE(make_control_folder(place, geteuid()).has_value());
    OtherEnd process(place, std::move(reply));
    return ask_kv(place, {"PING"}, 200);
  };
  CHECK(*ask("+PONG\r\n") == std::vector<std::string>{"PONG"});
  CHECK(ask("-FENCED term 5 is over: 6 has been promised\r\n").error().code == Code::Denied);
  CHECK(ask("-ERR what\r\n").error().code == Code::Unavailable);
  CHECK(ask("").error().code == Code::TimedOut);
  CHECK(ask("nonsense").error().code == Code::Corrupt);
  CHECK(ask("*1\r\n$99999999\r\n").error().code == Code::Corrupt);
  CHECK(ask("*2\r\n$1\r\na\r\n").error().code == Code::Unavailable);  // it hung up in the middle
}

TEST_CASE("a link at the socket's place leads nowhere") {
  testing::TemporaryFolder folder;
  REQUIRE(make_control_folder(folder / "host", geteuid()).has_value());
  REQUIRE(make_control_folder(folder / "a", geteuid()).has_value());
  OtherEnd hosts_own(folder / "host", "+PONG\r\n");
  REQUIRE(::symlink((folder / "host/socket").c_str(), (folder / "a/socket").c_str()) == 0);
  CHECK_MESSAGE(!ask_kv(folder / "a", {"PING"}, 200).has_value(), why(ask_kv(folder / "a", {"PING"}, 200)));
  CHECK(hosts_own.heard.empty());
  REQUIRE(::unlink((folder / "a/socket").c_str()) == 0);
  REQUIRE(io::write_file(folder / "a/socket", "", io::Durability::None).has_value());
  CHECK(ask_kv(folder / "a", {"PING"}, 200).error().code == Code::Denied);
}
