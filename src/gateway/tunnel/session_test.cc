#include "gateway/tunnel/session.h"

#include <doctest/doctest.h>

#include "gateway/tunnel/test_session.h"

using namespace mcloud;
using namespace mcloud::gateway;

namespace {

Bytes frame(FrameType type, uint32_t stream, BytesView payload = {}) {
  Bytes bytes(kFrameHeaderBytes, '\0');
  write_frame(bytes.data(), {type, stream, static_cast<uint32_t>(payload.size())});
  return bytes + Bytes(payload);
}
Bytes u32(uint32_t value) {
  Bytes bytes;
  append_u32_le(bytes, value);
  return bytes;
}
Bytes hello(uint32_t version = 1) { return frame(FrameType::Hello, 0, u32(version) + u32(100)); }
Bytes open_frame(uint32_t stream, uint32_t target) { return frame(FrameType::Open, stream, u32(target) + u32(1000)); }

}  // namespace

TEST_CASE("a stream is opened by the gateway to a target that the node announced, and carries bytes both ways") {
  SessionPair pair;
  uint32_t stream = pair.open();
  CHECK(pair.gateway.has_said("announced 1 web"));
  CHECK(pair.node.has_said("open 1 1"));
  CHECK(pair.gateway.has_said("opened 1"));
  CHECK(pair.gateway.write(stream, "question") == 8);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.node.got[stream] == "question");
  CHECK(pair.node.write(stream, "answer") == 6);
  pair.node.session.end(stream);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.got[stream] == "answer");
  CHECK(pair.gateway.has_said("end 1"));
  CHECK(pair.gateway.write(stream, "more") == 4);  // half of it is still open
  pair.gateway.session.end(stream);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.node.got[stream] == "questionmore");
  CHECK(pair.node.has_said("end 1"));
  CHECK(pair.gateway.session.streams() == 0);
  CHECK(pair.node.session.streams() == 0);
}

TEST_CASE("nothing is sent beyond the window, and the window opens as the reader consumes") {
  SessionLimits limits;
  limits.window_first = 1000;
  limits.window_max = 1000;
  SessionPair pair(limits);
  uint32_t stream = pair.open();
  pair.node.consumes = false;
  Bytes sent(5000, 'x');
  CHECK(pair.gateway.write(stream, sent) == 1000);
  REQUIRE(pair.settle().has_value());
  CHECK(!pair.gateway.session.next_turn().has_value());
  pair.node.session.consumed(stream, 400);  // more than half of the window is still granted or unread
  CHECK(pair.node.session.outgoing().empty());
  pair.node.session.consumed(stream, 200);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.write(stream, sent) == 600);
}

TEST_CASE("a window grows while its reader is faster than the round trip, up to its bound") {
  SessionLimits limits;
  limits.window_first = 1000;
  limits.window_max = 8000;
  SessionPair pair(limits);
  uint32_t stream = pair.open();
  Bytes sent(100'000, 'x');
  size_t total = 0, rounds = 0, most = 0;
  while (total < sent.size() && ++rounds < 100) {
    size_t written = pair.gateway.write(stream, BytesView(sent).substr(total));
    most = std::max(most, written);
    total += written;
    REQUIRE(pair.settle().has_value());
  }
  CHECK(total == sent.size());
  CHECK(most > 4000);
  CHECK(most <= 8000);
  pair.now_us += 60'000'000;  // a slow reader's window stays as it is
  CHECK(pair.gateway.write(stream, sent) <= 8000);
}

TEST_CASE("streams take turns: who has much does not keep out who has little") {
  SessionPair pair;
  uint32_t large = pair.open(), small = pair.open();
  Session& session = pair.gateway.session;
  session.set_readable(large);
  session.set_readable(small);
  std::vector<uint32_t> order;
  for (int i = 0; i < 4; ++i) {
    auto turn = session.next_turn();
    REQUIRE(turn.has_value());
    order.push_back(turn->stream);
    bool is_large = turn->stream == large;
    std::memset(turn->space, 'x', is_large ? turn->size : 10);
    session.finish_turn(*turn, is_large ? turn->size : 10, true);
  }
  CHECK(order == std::vector<uint32_t>{large, small, large, small});
}

TEST_CASE("a reset ends a stream on both sides, and what crosses it on the way is no error") {
  SessionPair pair;
  uint32_t stream = pair.open();
  pair.gateway.session.reset(stream);
  CHECK(pair.node.write(stream, "late") == 4);
  pair.node.session.end(stream);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.node.has_said("reset 1"));
  CHECK(!pair.gateway.has_said("reset 1"));  // it knows
  CHECK(pair.gateway.got[stream].empty());
  CHECK(pair.gateway.session.streams() == 0);
  CHECK(pair.node.session.streams() == 0);
}

TEST_CASE("both sides may reset at the same time") {
  SessionPair pair;
  uint32_t stream = pair.open();
  pair.gateway.session.reset(stream);
  pair.node.session.reset(stream);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.session.streams() == 0);
  CHECK(pair.node.session.streams() == 0);
  CHECK(pair.open() == 2);  // and the number is not used again
}

TEST_CASE("a stream is refused to a target that was withdrawn while the question was on its way") {
  SessionPair pair;
  pair.open();
  pair.node.session.withdraw(pair.target);
  uint32_t stream = pair.gateway.session.open(pair.target).value();
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.has_said("refused " + std::to_string(stream) + " 1"));
  CHECK(pair.gateway.has_said("withdrawn 1"));
  auto again = pair.gateway.session.open(pair.target);
  REQUIRE(!again.has_value());
  CHECK(again.error().code == Code::Unavailable);
}

TEST_CASE("a gateway that gives up before the answer leaves nothing behind") {
  SessionPair pair;
  pair.open();
  pair.node.opens_at_once = false;
  uint32_t stream = pair.gateway.session.open(pair.target).value();
  pair.gateway.session.reset(stream);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.node.has_said("reset 2"));
  uint32_t other = pair.gateway.session.open(pair.target).value();
  REQUIRE(pair.settle().has_value());
  pair.gateway.session.reset(other);
  pair.node.session.refuse(other, Refusal::CannotConnect);  // crosses the reset
  REQUIRE(pair.settle().has_value());
  CHECK(!pair.gateway.has_said("refused 3 2"));
  CHECK(pair.gateway.session.streams() == 1);
  CHECK(pair.node.session.streams() == 1);
}

TEST_CASE("there are no more streams at once than agreed") {
  SessionLimits limits;
  limits.streams_max = 3;
  SessionPair pair(limits);
  uint32_t first = pair.open();
  pair.open();
  pair.open();
  auto fourth = pair.gateway.session.open(pair.target);
  REQUIRE(!fourth.has_value());
  CHECK(fourth.error().code == Code::Exhausted);
  pair.node.session.reset(first);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.session.open(pair.target).has_value());
}

TEST_CASE("a drain lets streams end, opens no more, and is over with the last of them") {
  SessionPair pair;
  uint32_t stream = pair.open();
  pair.node.session.drain();
  uint32_t late = pair.gateway.session.open(pair.target).value();  // it does not know yet
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.has_said("goaway"));
  CHECK(pair.gateway.has_said("refused " + std::to_string(late) + " 4"));
  CHECK(!pair.gateway.session.open(pair.target).has_value());
  CHECK(!pair.node.session.is_drained());
  CHECK(pair.node.write(stream, "the rest") == 8);
  pair.node.session.end(stream);
  pair.gateway.session.end(stream);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.got[stream] == "the rest");
  CHECK(pair.node.session.is_drained());
  CHECK(pair.gateway.session.is_drained());
}

TEST_CASE("a peer that is silent is avoided after 1.2 s, and given up after 2.5 s") {
  SessionPair pair;
  REQUIRE(pair.settle().has_value());
  Session& session = pair.gateway.session;
  uint64_t begin = pair.now_us;
  REQUIRE(session.tick(begin + 600'000).has_value());
  CHECK(!session.outgoing().empty());  // a ping
  CHECK(!session.is_quiet(begin + 1'100'000));
  CHECK(session.is_quiet(begin + 1'300'000));
  for (uint64_t now = begin + 800'000; now <= begin + 2'500'000; now += 200'000) REQUIRE(session.tick(now).has_value());
  Status dead = session.tick(begin + 2'600'000);
  REQUIRE(!dead.has_value());
  CHECK(dead.error().code == Code::TimedOut);
}

TEST_CASE("a process that did not run for a while does not blame its peer") {
  SessionPair pair;
  REQUIRE(pair.settle().has_value());
  REQUIRE(pair.gateway.session.tick(pair.now_us + 100'000).has_value());
  CHECK(pair.gateway.session.tick(pair.now_us + 30'000'000).has_value());
}

TEST_CASE("a ping is answered, and the round trip is measured") {
  SessionPair pair;
  REQUIRE(pair.settle().has_value());
  REQUIRE(pair.gateway.session.tick(pair.now_us + 600'000).has_value());
  pair.now_us += 650'000;
  REQUIRE(pair.settle().has_value());
  CHECK(pair.gateway.session.rtt_us() == 50'000);
}

TEST_CASE("whoever holds most of what nobody reads makes room for the others") {
  SessionLimits limits;
  limits.window_first = 1000;
  limits.window_small = 200;
  limits.unread_pressure = 1500;
  limits.unread_max = 2000;
  SessionPair pair(limits);
  pair.node.consumes = false;
  uint32_t a = pair.open(), b = pair.open(), c = pair.open();
  CHECK(pair.gateway.write(a, Bytes(1000, 'x')) == 1000);
  CHECK(pair.gateway.write(b, Bytes(900, 'x')) == 900);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.node.session.unread() == 1900);
  uint32_t late = pair.open();
  CHECK(pair.gateway.write(late, Bytes(1000, 'x')) <= 200);  // the pressure makes windows small
  CHECK(pair.gateway.write(c, Bytes(500, 'x')) == 500);
  REQUIRE(pair.settle().has_value());
  CHECK(pair.node.has_said("reset " + std::to_string(a)));
  CHECK(pair.node.session.unread() <= 2000);
  CHECK(pair.gateway.has_said("reset " + std::to_string(a)));
}

TEST_CASE("whatever breaks the protocol ends the session with one reason, and the peer is told") {
  struct {
    const char* what;
    Bytes bytes;
  } cases[] = {
      {"no Hello first", frame(FrameType::Ping, 0, Bytes(8, '\1'))},
      {"another version", hello(2)},
      {"two Hellos", hello() + hello()},
      {"garbage", Bytes("GET / HTTP/1.1\r\n\r\n")},
      {"an announcement by the gateway", hello() + frame(FrameType::Announce, 1, "x")},
      {"a target that was never announced", hello() + open_frame(1, 2)},
      {"a number that is not the next", hello() + open_frame(2, 1)},
      {"a number again", hello() + open_frame(1, 1) + open_frame(1, 1)},
      {"a window of nothing", hello() + frame(FrameType::Open, 1, u32(1) + u32(0))},
      {"data of no stream", hello() + frame(FrameType::Data, 9, "x")},
      {"more than the window", hello() + open_frame(1, 1) + frame(FrameType::Data, 1, Bytes(101, 'x'))},
      {"data behind the end", hello() + open_frame(1, 1) + frame(FrameType::Fin, 1) + frame(FrameType::Data, 1, "x")},
      {"two ends", hello() + open_frame(1, 1) + frame(FrameType::Fin, 1) + frame(FrameType::Fin, 1)},
      {"a window that overflows", hello() + open_frame(1, 1) + frame(FrameType::Window, 1, u32(INT32_MAX))},
      {"an answer of the gateway", hello() + open_frame(1, 1) + frame(FrameType::Opened, 1, u32(1))},
      {"a pong without a ping", hello() + frame(FrameType::Pong, 0, Bytes(8, '\1'))},
      {"a second GoAway",
       hello() + frame(FrameType::GoAway, 0, Bytes(1, '\0')) + frame(FrameType::GoAway, 0, Bytes(1, '\0'))},
      {"a stream after a GoAway", hello() + frame(FrameType::GoAway, 0, Bytes(1, '\0')) + open_frame(1, 1)},
      {"one stream too many", hello() + open_frame(1, 1) + open_frame(2, 1) + open_frame(3, 1)},
  };
  for (const auto& [what, bytes] : cases) {
    INFO(what);
    SessionLimits limits;
    limits.window_first = 100;
    limits.streams_max = 2;
    SessionEnd node(Session::Role::Node, limits);
    REQUIRE(node.session.announce("web").has_value());
    node.session.sent_all();
    Status heard = node.session.receive(bytes, 1'000'001);
    REQUIRE(!heard.has_value());
    CHECK(heard.error().code == Code::Corrupt);
    CHECK(node.session.outgoing().find(heard.error().message.substr(0, 30)) != BytesView::npos);
    Status again = node.session.receive(hello(), 1'000'002);
    REQUIRE(!again.has_value());
    CHECK(again.error().message == heard.error().message);
  }
}

TEST_CASE("the peer's reason for its end is told, in printable letters") {
  SessionPair pair;
  REQUIRE(pair.settle().has_value());
  pair.gateway.session.go_away("enough\n\x1b[31m");
  Status heard = pair.pass(pair.gateway, pair.node);
  REQUIRE(!heard.has_value());
  CHECK(heard.error().code == Code::Unavailable);
  CHECK(heard.error().message == "the peer ended it: enough??[31m");
}

TEST_CASE("a peer that asks and never reads is not served for ever") {
  SessionPair pair;
  REQUIRE(pair.settle().has_value());
  Bytes pings;
  for (int i = 0; i < 1000; ++i) pings += frame(FrameType::Ping, 0, Bytes(8, '\7'));
  Status heard;
  for (int i = 0; i < 1000 && heard; ++i) heard = pair.node.session.receive(pings, 1'000'001);
  REQUIRE(!heard.has_value());
  CHECK(pair.node.session.outgoing().size() < (3 << 20));
}
