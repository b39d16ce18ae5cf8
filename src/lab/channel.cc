#include "lab/channel.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace mcloud::lab {
namespace {

constexpr size_t kPacketBytesMax = 256 << 10;

}  // namespace

Result<std::pair<Channel, Channel>> Channel::create_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_error(errno, "socketpair");
  std::pair<Channel, Channel> pair{Channel(io::Fd(ends[0])), Channel(io::Fd(ends[1]))};
  for (int end : ends) {
    int bytes = 4 * static_cast<int>(kPacketBytesMax);
    timeval patience{5, 0};
    if (::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0 ||
        ::setsockopt(end, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
      return errno_error(errno, "set up a socket pair");
    }
  }
  return pair;
}

Status Channel::send(const std::string& text, int descriptor) {
  if (text.size() > kPacketBytesMax) return make_error(Code::Exhausted, "a message has more than 256 KiB");
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  while (::sendmsg(fd_.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return errno_error(errno, "send to the other half of the cluster");
  }
  return {};
}

Result<std::optional<Packet>> Channel::receive() {
  Packet packet;
  packet.text.resize(kPacketBytesMax);
  iovec part{packet.text.data(), packet.text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno != ECONNRESET) return errno_error(errno, "receive from the other half of the cluster");
  if (got <= 0) return std::optional<Packet>();
  packet.text.resize(static_cast<size_t>(got));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int))) {
    int descriptor;
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    packet.descriptor = io::Fd(descriptor);
  }
  return std::optional<Packet>(std::move(packet));
}

}  // namespace mcloud::lab
