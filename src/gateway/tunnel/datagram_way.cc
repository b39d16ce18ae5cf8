#include "gateway/tunnel/datagram_way.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <cerrno>

namespace mcloud::gateway {
namespace {

constexpr int kDatagramsMax = 64;  // in one turn

}  // namespace

Result<std::unique_ptr<DatagramWay>> DatagramWay::begin(const Address& target, Poller& poller, std::function<void()> on_end, io::Fd& stream) {
  io::Fd udp(::socket(target.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!udp.is_open() || ::connect(udp.get(), reinterpret_cast<const sockaddr*>(&target.storage), target.size) != 0)
    return errno_error(errno, "UDP socket");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return errno_error(errno, "socket pair");
  stream = io::Fd(ends[0]);
  io::Fd ours(ends[1]);
  std::unique_ptr<DatagramWay> way(new DatagramWay(std::move(udp), poller));
  int fd = way->udp_.get();
  // What the target does not take is lost, as on any way of UDP.
  auto send = [fd](BytesView bytes) { static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)); };
  way->stream_ = TRY(DatagramStream::begin(std::move(ours), poller, {std::move(send), std::move(on_end)}));
  TRY(poller.add(fd, *way));
  return way;
}

DatagramWay::~DatagramWay() { static_cast<void>(end()); }

io::Fd DatagramWay::end() {
  stream_.reset();
  poller_.forget(*this);
  poller_.remove(udp_.get());
  sock_filter nothing = {.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  sock_fprog filter = {.len = 1, .filter = &nothing};
  if (udp_.is_open()) ::setsockopt(udp_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
  return std::move(udp_);
}

void DatagramWay::on_turn() {
  for (int count = 0;; ++count) {
    if (count == kDatagramsMax) return poller_.touch(*this);
    ssize_t got = ::recv(udp_.get(), poller_.buffer(), Poller::kBufferBytes, MSG_DONTWAIT);
    // "Nobody listens there" is told once and is no end: the target may come.
    if (got < 0 && errno != ECONNREFUSED && errno != EINTR) return;
    if (got >= 0) stream_->push({poller_.buffer(), static_cast<size_t>(got)});
  }
}

}  // namespace mcloud::gateway
