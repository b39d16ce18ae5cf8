// Datagrams in a stream of the tunnel: length 2 (little-endian), then so many bytes; and so on. docs/reference/tunnel.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "gateway/tunnel/poller.h"

namespace mcloud::gateway {

constexpr size_t kDatagramBytesMax = 65'507;  // that UDP carries over IPv4

// Cuts a stream into datagrams, however it arrives. Pure. Each length is one that a stream may say: those beyond what UDP carries are
// given as well, and no socket takes them.
class DatagramReader {
 public:
  // `take` may not call feed().
  void feed(BytesView bytes, const std::function<void(BytesView)>& take);

 private:
  Bytes held_;  // the begin of a datagram with its length
};
void append_datagram(Bytes& out, BytesView datagram);  // of kDatagramBytesMax bytes at most

// One end of a stream socket that carries datagrams. UDP does not wait, so what finds no room is dropped. One loop.
class DatagramStream final : public Watcher {
 public:
  struct Events {
    std::function<void(BytesView)> on_datagram;
    std::function<void()> on_end;  // the stream is of no use any more; called once. Do not destroy it here
  };
  // Unavailable: the socket cannot be watched. `poller` is borrowed.
  static Result<std::unique_ptr<DatagramStream>> begin(io::Fd socket, Poller& poller, Events events);
  ~DatagramStream() override;
  // False: dropped.
  bool push(BytesView datagram);

 private:
  DatagramStream(io::Fd socket, Poller& poller, Events events)
      : socket_(std::move(socket)), poller_(poller), events_(std::move(events)) {}
  void on_events(uint32_t events) override;
  void on_turn() override;
  void flush();
  void end();

  io::Fd socket_;
  Poller& poller_;
  Events events_;
  DatagramReader reader_;
  Bytes waiting_;  // what is left of a datagram that was sent in part
  bool has_ended_ = false;
};

}  // namespace mcloud::gateway
