#include "node/peer_watch.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <deque>

#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

const NodeId kOne = ledger::test_key("node1").public_key();
const Reach kReach{"", network::Ipv4{0x0afb0002}};

// The answer of whoever is asked: its IP header before.
Bytes reply_to(Bytes request) {
  request[0] = 0;
  Bytes packet(20, '\0');
  packet[0] = 0x45;
  packet.replace(12, 4, Bytes("\x0a\xfb\x00\x02", 4));
  return packet + request;
}

// One round: everybody is asked, and nobody answers.
void miss(PeerBook& book, PeerBook::Round round = PeerBook::Round::InTime) {
  (void)book.next();
  book.judge(round);
}

// A book whose only peer has answered once.
PeerBook known_peer() {
  PeerBook book;
  book.set_targets({{kOne, kReach}}, NodeId());
  CHECK(book.answered(kReach, book.next().at(0).sequence, 300));
  return book;
}

}  // namespace

TEST_CASE("a node is silent after three misses in a row, and no more when it answers") {
  PeerBook book = known_peer();
  for (int i = 0; i < 2; ++i) miss(book);
  CHECK(book.silent().empty());
  uint16_t sequence = book.next().at(0).sequence;
  CHECK(book.answered(kReach, sequence, 300));
  for (int i = 0; i < 2; ++i) miss(book);
  (void)book.next();
  CHECK(book.silent().empty());  // the third has not had its time yet
  book.judge(PeerBook::Round::InTime);
  CHECK(book.silent() == std::set<NodeId>{kOne});
  CHECK(book.figures().at(kOne).is_silent);
  for (int i = 0; i < 50; ++i) miss(book);
  CHECK(book.silent() == std::set<NodeId>{kOne});
  sequence = book.next().at(0).sequence;
  CHECK(!book.answered({"mcloud_mesh", kReach.address}, sequence, 300));  // another place
  CHECK(book.answered(kReach, sequence, 300));
  CHECK(!book.answered(kReach, sequence, 300));
  CHECK(book.silent().empty());
  CHECK(book.figures().at(kOne).rtt_us == 300);
  CHECK(book.figures().at(kOne).sent == 58);
  CHECK(book.figures().at(kOne).lost == 55);
}

TEST_CASE("an answer that comes two rounds late is an answer: a long way is no silence") {
  PeerBook book = known_peer();
  std::deque<uint16_t> under_way;
  for (int i = 0; i < 20; ++i) {
    under_way.push_back(book.next().at(0).sequence);
    if (under_way.size() == 3) {
      CHECK(book.answered(kReach, under_way.front(), 600'000));
      under_way.pop_front();
    }
    book.judge(PeerBook::Round::InTime);
    CHECK(book.silent().empty());
  }
  CHECK(book.figures().at(kOne).lost == 0);
}

TEST_CASE("a round that was late itself counts against nobody, but a machine that is always late sees silence too") {
  PeerBook book = known_peer();
  for (int i = 0; i < 2; ++i) miss(book);
  for (size_t i = 0; i < PeerBook::kForgivenMax; ++i) miss(book, PeerBook::Round::Late);
  CHECK(book.silent().empty());
  miss(book, PeerBook::Round::Late);
  CHECK(book.silent() == std::set<NodeId>{kOne});
  PeerBook answers_late = known_peer();
  uint16_t sequence = answers_late.next().at(0).sequence;
  for (int i = 0; i < 2; ++i) answers_late.judge(PeerBook::Round::Late);
  for (int i = 0; i < 2; ++i) miss(answers_late);
  CHECK(answers_late.answered(kReach, sequence, 700'000));  // forgiven, not forgotten
}

TEST_CASE("a node that is reached another way begins anew") {
  PeerBook book;
  book.set_targets({{kOne, kReach}}, NodeId());
  for (size_t i = 1; i < PeerBook::kFirstMissesMax; ++i) miss(book);
  CHECK(book.silent().empty());  // the way may be in the making
  miss(book);
  CHECK(!book.silent().empty());
  book.set_targets({{kOne, {"mcloud_mesh", network::Ipv4{0xc6120008}}}}, NodeId());
  CHECK(book.silent().empty());
  book.set_targets({}, NodeId());
  CHECK(book.empty());
}

TEST_CASE("of two nodes that are new to each other the one with the lower id asks first") {
  NodeId low, high;
  low.data()[0] = 1;
  high.data()[0] = 2;
  PeerBook asks_first, rests;
  asks_first.set_targets({{high, kReach}}, low);
  rests.set_targets({{low, kReach}}, high);
  CHECK(asks_first.next().size() == 1);
  for (size_t i = 0; i < PeerBook::kRestRounds; ++i) CHECK(rests.next().empty());
  CHECK(rests.next().size() == 1);
  rests.set_targets({{low, kReach}}, high);  // known: no rest again
  CHECK(rests.next().size() == 1);
}

TEST_CASE("only an answer with our token counts") {
  Bytes request = echo_request(7, 9, "token123");
  auto reply = parse_echo_reply(reply_to(request), 7, "token123");
  REQUIRE(reply.has_value());
  CHECK(reply->sequence == 9);
  CHECK(reply->from == kReach.address);
  CHECK(!parse_echo_reply(reply_to(request), 8, "token123"));
  CHECK(!parse_echo_reply(reply_to(request), 7, "token124"));
  CHECK(!parse_echo_reply(Bytes(20, '\0') + request, 7, "token123"));
  for (size_t size = 0; size < 36; ++size) CHECK(!parse_echo_reply(reply_to(request).substr(0, size), 7, "token123"));
}

TEST_CASE("pings reach what is there, and tell of what is not") {
  io::Loop loop;
  std::set<NodeId> silent;
  PeerWatch watch(loop, NodeId(), {.netns_folder = "/nowhere", .every_ms = 20}, [&](const std::set<NodeId>& now) {
    silent = now;
    loop.stop();
  });
  const NodeId two = ledger::test_key("node2").public_key();
  loop.post([&] {
    watch.set_targets({{kOne, {"", network::Ipv4{0x7f000001}}}, {two, {"missing", network::Ipv4{0x7f000001}}}});
  });
  loop.run();
  CHECK(silent == std::set<NodeId>{two});
  CHECK(watch.figures().at(kOne).rtt_us > 0);
  CHECK(watch.figures().at(kOne).lost == 0);
}

TEST_CASE("a watch whose loop is held up for longer than silence takes accuses nobody") {
  io::Loop loop;
  size_t changes = 0;
  PeerWatch watch(loop, NodeId(), {.netns_folder = "/nowhere", .every_ms = 20}, [&](const std::set<NodeId>&) { ++changes; });
  std::vector<io::Timer> timers;
  loop.post([&] {
    watch.set_targets({{kOne, {"", network::Ipv4{0x7f000001}}}});
    for (uint64_t at : {50U, 200U, 350U}) {
      timers.push_back(loop.after(at, [] { ::usleep(100'000); }));  // somebody else's work
    }
    timers.push_back(loop.after(500, [&] { loop.stop(); }));
  });
  loop.run();
  CHECK(changes == 0);
  CHECK(watch.figures().at(kOne).lost == 0);
}
