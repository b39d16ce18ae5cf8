#include "gateway/udp_socket.h"

#include <cerrno>
#include <cstring>

namespace mcloud::gateway {
namespace {

constexpr int kKernelBytes = 1 << 20;  // of datagrams that wait

template <typename Info>
void put_info(msghdr& message, int level, int type, const Info& info) {
  message.msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = level;
  head->cmsg_type = type;
  head->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(head), &info, sizeof info);
}

}  // namespace

IpAddress ip_of(const sockaddr_storage& address) {
  IpAddress out;
  out.is_v6 = address.ss_family == AF_INET6;
  if (out.is_v6) std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16);
  else std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
  return out;
}

Result<io::Fd> open_udp_port(const Address& address) {
  bool is_v6 = address.storage.ss_family == AF_INET6;
  io::Fd fd(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  int on = 1;
  if (is_v6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  ::setsockopt(fd.get(), is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kKernelBytes, sizeof kKernelBytes);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) return errno_error(errno, "bind");
  return fd;
}

ssize_t receive_datagram(int fd, char* buffer, size_t size, Origin& origin) {
  origin = {};
  alignas(cmsghdr) char control[128];
  iovec piece{buffer, size};
  msghdr message{};
  message.msg_name = &origin.client;
  message.msg_namelen = sizeof origin.client;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (got < 0) return got;
  origin.client_size = message.msg_namelen;
  if (origin.client.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(origin.client).sin6_flowinfo = 0;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) std::memcpy(&origin.at_v4, CMSG_DATA(head), sizeof origin.at_v4);
    if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) std::memcpy(&origin.at_v6, CMSG_DATA(head), sizeof origin.at_v6);
  }
  return got;
}

bool answer_datagram(int fd, const Origin& origin, BytesView bytes) {
  alignas(cmsghdr) char control[128] = {};
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  sockaddr_storage client = origin.client;
  msghdr message{};
  message.msg_name = &client;
  message.msg_namelen = origin.client_size;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  in_pktinfo from_v4 = origin.at_v4;
  from_v4.ipi_ifindex = 0;  // the way back is the routes' to choose
  if (client.ss_family == AF_INET) put_info(message, IPPROTO_IP, IP_PKTINFO, from_v4);
  else put_info(message, IPPROTO_IPV6, IPV6_PKTINFO, origin.at_v6);
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace mcloud::gateway
