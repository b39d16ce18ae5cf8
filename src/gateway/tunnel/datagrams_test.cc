#include "gateway/tunnel/datagrams.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

namespace mcloud::gateway {
namespace {

using Datagrams = std::vector<Bytes>;

Datagrams read(BytesView stream, size_t piece) {
  DatagramReader reader;
  Datagrams got;
  for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size()))) {
    reader.feed(stream.substr(0, piece), [&](BytesView datagram) { got.emplace_back(datagram); });
  }
  return got;
}

TEST_CASE("datagrams come out of a stream as they went in, however it is cut") {
  Datagrams sent = {"one", "", Bytes(kDatagramBytesMax, 'x'), Bytes("\0\1", 2), Bytes(300, '\0'), ""};
  Bytes stream;
  for (const Bytes& datagram : sent) append_datagram(stream, datagram);
  for (size_t piece : {1, 2, 3, 7, 1'000, 70'000, 1'000'000}) CHECK(read(stream, piece) == sent);
}

TEST_CASE("the length of a datagram has two bytes, the low one first") {
  Bytes stream;
  append_datagram(stream, Bytes(258, 'x'));
  CHECK(stream.substr(0, 3) == Bytes("\2\1x"));
}

TEST_CASE("a datagram that is not whole is kept back") {
  Bytes stream;
  append_datagram(stream, "whole");
  CHECK(read(stream.substr(0, stream.size() - 1), 100).empty());
  CHECK(read("\xff", 1).empty());
}

TEST_CASE("a stream that is full drops datagrams, and those that it takes are whole") {
  auto poller = Poller::create().value();
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  io::Fd far(ends[1]);
  bool has_ended = false;
  auto stream = DatagramStream::begin(io::Fd(ends[0]), *poller, {[](BytesView) {}, [&] { has_ended = true; }}).value();
  size_t taken = 0;
  while (stream->push(Bytes(9'000, static_cast<char>('a' + taken % 26)))) REQUIRE(++taken < 10'000);
  CHECK(!stream->push("x"));
  DatagramReader reader;
  Datagrams heard;
  char piece[4'096];
  // Whoever reads makes room, and the one that was sent in part goes on.
  for (int rounds = 0; heard.size() < taken && rounds < 100'000; ++rounds) {
    ssize_t size = ::recv(far.get(), piece, sizeof piece, 0);
    if (size > 0) reader.feed({piece, static_cast<size_t>(size)}, [&](BytesView datagram) { heard.emplace_back(datagram); });
    else poller->run_once(10);
  }
  REQUIRE(heard.size() == taken);
  for (size_t i = 0; i < taken; ++i) REQUIRE(heard[i] == Bytes(9'000, static_cast<char>('a' + i % 26)));
  CHECK(stream->push("x"));
  CHECK(!stream->push(Bytes(kDatagramBytesMax + 1, 'x')));
  far.reset();
  for (int rounds = 0; !has_ended && rounds < 100; ++rounds) poller->run_once(10);
  CHECK(has_ended);
  CHECK(!stream->push("x"));
}

}  // namespace
}  // namespace mcloud::gateway
