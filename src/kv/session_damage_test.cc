// Records that the disk has damaged, as clients of both dialects meet them.
#include <fcntl.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "io/file.h"
#include "kv/test_sessions.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

Bytes words(const std::vector<std::string_view>& list) { return wire::resp_request(list); }

// One session over a store in which the value of "bad" is damaged; "good" stands before it.
struct Damaged {
  explicit Damaged(Dialect dialect) {
    ServiceOptions options;
    options.dialect = dialect;
    sessions = std::make_unique<TestSessions>(options);
    session = &sessions->open();
    for (const char* key : {"good", "bad", "after"}) sessions->feed(*session, words({"SET", key, "the value"}));
    const std::string path = sessions->store().folder / "kv/spaces/default/000000000000.log";
    std::string log = io::read_file(path, 1 << 20).value();
    io::Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    auto at = static_cast<off_t>(log.find("badthe value") + 5);
    REQUIRE_EQ(pwrite(file.get(), "XX", 2, at), 2);
  }
  Bytes ask(const std::vector<std::string_view>& list) {
    Bytes came = sessions->feed(*session, words(list));
    while (came.empty() && sessions->pump()) came = sessions->take(*session);
    return came;
  }
  std::unique_ptr<TestSessions> sessions;
  Session* session;
};

}  // namespace

TEST_CASE("a damaged value is an error of what needs it, in the words of 0-db, and of nothing else") {
  Damaged damaged(Dialect::Zdb);
  CHECK_EQ(damaged.ask({"GET", "bad"}), "-Internal Error\r\n");
  CHECK_EQ(damaged.ask({"LENGTH", "bad"}), "-Internal Error\r\n");
  CHECK_EQ(damaged.ask({"CHECK", "bad"}), ":0\r\n");
  CHECK_EQ(damaged.ask({"EXISTS", "bad"}), ":1\r\n");
  CHECK_EQ(damaged.ask({"DEL", "bad"}), "-Cannot delete key (data)\r\n");
  CHECK_EQ(damaged.ask({"MGET", "good", "bad", "after"}),
           "*3\r\n$9\r\nthe value\r\n-Internal Error\r\n$9\r\nthe value\r\n");
  CHECK_EQ(damaged.ask({"CHECK", "good"}), ":1\r\n");
}

TEST_CASE("a damaged key can be written anew, in 0-db's words too") {
  Damaged damaged(Dialect::Zdb);
  CHECK_EQ(damaged.ask({"SET", "bad", "new"}), "$3\r\nbad\r\n");
  CHECK_EQ(damaged.ask({"GET", "bad"}), "$3\r\nnew\r\n");
  CHECK_EQ(damaged.ask({"DEL", "bad"}), "+OK\r\n");
  CHECK_EQ(damaged.ask({"DBSIZE"}), ":2\r\n");
}

TEST_CASE("a damaged key of a write-once namespace is not written anew") {
  Damaged damaged(Dialect::Zdb);
  auto space = damaged.sessions->state().find("default");
  REQUIRE(damaged.sessions->state().change(*space, [](Settings& one) { one.is_write_once = true; }).has_value());
  CHECK_EQ(damaged.ask({"SET", "bad", "new"}), "-Namespace is protected by worm mode\r\n");
}

TEST_CASE("a damaged value is CORRUPT to Redis clients, and what does not need it goes on") {
  Damaged damaged(Dialect::Redis);
  for (const auto& one : std::vector<std::vector<std::string_view>>{{"GET", "bad"},
                                                                    {"STRLEN", "bad"},
                                                                    {"GETRANGE", "bad", "0", "1"},
                                                                    {"APPEND", "bad", "x"},
                                                                    {"INCR", "bad"},
                                                                    {"GETSET", "bad", "x"},
                                                                    {"SETNX", "bad", "x"}}) {
    CHECK_MESSAGE(damaged.ask(one).starts_with("-CORRUPT "), one[0]);
  }
  CHECK_EQ(damaged.ask({"EXISTS", "bad", "good"}), ":2\r\n");
  // In a transaction it is one answer of several.
  CHECK_EQ(damaged.ask({"MULTI"}) + damaged.ask({"GET", "good"}), "+OK\r\n+QUEUED\r\n");
  damaged.ask({"APPEND", "bad", "x"});
  CHECK(damaged.ask({"EXEC"}).starts_with("*2\r\n$9\r\nthe value\r\n-CORRUPT "));
  CHECK(damaged.ask({"VERIFY"}).starts_with("*1\r\n*2\r\n:"));
  CHECK_EQ(damaged.ask({"SET", "bad", "new"}), "+OK\r\n");
  CHECK_EQ(damaged.ask({"GET", "bad"}), "$3\r\nnew\r\n");
  CHECK_EQ(damaged.ask({"DEL", "bad", "good"}), ":2\r\n");
}

TEST_CASE("what is damaged in a store is found where it is asked for, by its place and in its history") {
  Damaged damaged(Dialect::Zdb);
  CHECK_EQ(damaged.ask({"HISTORY", "bad"}), "-Internal Error\r\n");
  CHECK_EQ(damaged.ask({"KEYCUR", "bad"}), "-Internal Error\r\n");
  // SCAN gives keys and sizes, which are sound.
  CHECK_NE(damaged.ask({"SCAN"}).find("*3\r\n$3\r\nbad\r\n:9\r\n"), Bytes::npos);
}
