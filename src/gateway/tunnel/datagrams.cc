#include "gateway/tunnel/datagrams.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace mcloud::gateway {
namespace {

constexpr size_t kLengthBytes = 2;
constexpr int kReadsMax = 8;  // in one turn

size_t length_of(BytesView bytes) { return static_cast<uint8_t>(bytes[0]) | static_cast<size_t>(static_cast<uint8_t>(bytes[1])) << 8; }

}  // namespace

void DatagramReader::feed(BytesView bytes, const std::function<void(BytesView)>& take) {
  while (!held_.empty() && !bytes.empty()) {
    size_t wanted = held_.size() < kLengthBytes ? kLengthBytes : kLengthBytes + length_of(held_);
    size_t more = std::min(wanted - held_.size(), bytes.size());
    held_ += bytes.substr(0, more);
    bytes.remove_prefix(more);
    if (held_.size() < kLengthBytes || held_.size() < kLengthBytes + length_of(held_)) continue;
    take(BytesView(held_).substr(kLengthBytes));
    held_.clear();
  }
  while (bytes.size() >= kLengthBytes && bytes.size() >= kLengthBytes + length_of(bytes)) {
    size_t length = length_of(bytes);
    take(bytes.substr(kLengthBytes, length));
    bytes.remove_prefix(kLengthBytes + length);
  }
  held_ += bytes;
}

void append_datagram(Bytes& out, BytesView datagram) {
  out += static_cast<char>(datagram.size() & 0xff);
  out += static_cast<char>(datagram.size() >> 8);
  out += datagram;
}

Result<std::unique_ptr<DatagramStream>> DatagramStream::begin(io::Fd socket, Poller& poller, Events events) {
  int fd = socket.get();
  std::unique_ptr<DatagramStream> stream(new DatagramStream(std::move(socket), poller, std::move(events)));
  TRY(poller.add(fd, *stream));
  return stream;
}

DatagramStream::~DatagramStream() {
  poller_.forget(*this);
  poller_.remove(socket_.get());
}

bool DatagramStream::push(BytesView datagram) {
  if (has_ended_ || datagram.size() > kDatagramBytesMax) return false;
  flush();
  if (!waiting_.empty()) return false;
  append_datagram(waiting_, datagram);
  flush();
  return true;
}

void DatagramStream::flush() {
  while (!waiting_.empty()) {
    ssize_t sent = ::send(socket_.get(), waiting_.data(), waiting_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;  // an end is read
    waiting_.erase(0, static_cast<size_t>(sent));
  }
}

void DatagramStream::on_events(uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) poller_.touch(*this);
}

void DatagramStream::on_turn() {
  for (int reads = 0; !has_ended_; ++reads) {
    if (reads == kReadsMax) return poller_.touch(*this);
    ssize_t got = ::recv(socket_.get(), poller_.buffer(), Poller::kBufferBytes, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return end();
    reader_.feed({poller_.buffer(), static_cast<size_t>(got)}, events_.on_datagram);
  }
}

void DatagramStream::end() {
  has_ended_ = true;
  events_.on_end();
}

}  // namespace mcloud::gateway
