// The node's end of a stream of datagrams: a UDP socket towards the target. Belongs to the loop of the tunnel's client.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "gateway/tunnel/address.h"
#include "gateway/tunnel/datagrams.h"

namespace mcloud::gateway {

class DatagramWay final : public Watcher {
 public:
  // `stream` gets the end that a link reads and writes as it would a connection. `on_end`: nothing more will come; do not destroy it there.
  static Result<std::unique_ptr<DatagramWay>> begin(const Address& target, Poller& poller, std::function<void()> on_end, io::Fd& stream);
  ~DatagramWay() override;
  // The stream is given up. The socket still has its port, and hears nothing: while it is kept, what the target says to this client yet is
  // nobody else's, who would have the port next.
  io::Fd end();

 private:
  DatagramWay(io::Fd udp, Poller& poller) : udp_(std::move(udp)), poller_(poller) {}
  void on_events(uint32_t) override { poller_.touch(*this); }
  void on_turn() override;

  io::Fd udp_;
  Poller& poller_;
  std::unique_ptr<DatagramStream> stream_;
};

}  // namespace mcloud::gateway
