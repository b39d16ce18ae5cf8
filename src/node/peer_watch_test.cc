#include "node/peer_watch.h"

#include <doctest/doctest.h>

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

}  // namespace

TEST_CASE("a node is silent after three misses in a row, and no more when it answers") {
  PeerBook book;
  book.set_targets({{kOne, kReach}}, NodeId());
  for (int i = 0; i < 2; ++i) (void)book.next();
  book.judge();
  CHECK(book.silent().empty());
  uint16_t sequence = book.next().at(0).sequence;
  CHECK(book.answered(kReach, sequence, 300));
  for (int i = 0; i < 3; ++i) (void)book.next();
  CHECK(book.silent().empty());
  book.judge();
  CHECK(book.silent() == std::set<NodeId>{kOne});
  CHECK(book.figures().at(kOne).is_silent);
  sequence = book.next().at(0).sequence;
  CHECK(!book.answered(kReach, static_cast<uint16_t>(sequence - 1), 300));  // too late
  CHECK(!book.answered({"mcloud_mesh", kReach.address}, sequence, 300));    // another place
  CHECK(book.answered(kReach, sequence, 300));
  CHECK(!book.answered(kReach, sequence, 300));
  CHECK(book.silent().empty());
  CHECK(book.figures().at(kOne).rtt_us == 300);
  CHECK(book.figures().at(kOne).sent == 7);
  CHECK(book.figures().at(kOne).lost == 5);
}

TEST_CASE("a node that is reached another way begins anew") {
  PeerBook book;
  book.set_targets({{kOne, kReach}}, NodeId());
  for (size_t i = 0; i < PeerBook::kFirstMissesMax; ++i) (void)book.next();
  CHECK(book.silent().empty());  // the way may be in the making
  (void)book.next();
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
