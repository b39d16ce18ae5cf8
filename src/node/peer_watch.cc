#include "node/peer_watch.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "base/log.h"
#include "crypto/box.h"
#include "io/clock.h"
#include "network/machine.h"

namespace mcloud::node {
namespace {

constexpr size_t kTokenSize = 8;
constexpr size_t kHeaderSize = 8;
constexpr uint16_t kId = 0x6d63;  // the token tells apart
constexpr size_t kPacketBytesMax = 256;
constexpr int kPacketsMax = 4096;  // at one look

uint64_t realtime_us(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_nsec) / 1'000;
}

uint64_t realtime_us() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return realtime_us(now);
}

// RFC 1071.
uint16_t checksum(BytesView bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void put_u16(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value & 0xff);
}

uint16_t u16(BytesView bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

uint64_t file_id(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_ino) : 0;
}

// When the kernel got it; 0 = it did not say.
uint64_t arrival_us(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(part), sizeof time);
    return realtime_us(time);
  }
  return 0;
}

}  // namespace

Bytes echo_request(uint16_t id, uint16_t sequence, BytesView token) {
  Bytes packet(kHeaderSize, '\0');
  packet[0] = 8;  // echo
  put_u16(packet, 4, id);
  put_u16(packet, 6, sequence);
  packet += token;
  put_u16(packet, 2, checksum(packet));
  return packet;
}

std::optional<EchoReply> parse_echo_reply(BytesView packet, uint16_t id, BytesView token) {
  if (packet.size() < 20) return std::nullopt;
  size_t header = static_cast<size_t>(static_cast<uint8_t>(packet[0]) & 0x0f) * 4;
  if (static_cast<uint8_t>(packet[0]) >> 4 != 4 || header < 20 || packet.size() < header + kHeaderSize + token.size()) return std::nullopt;
  BytesView icmp = packet.substr(header);
  if (icmp[0] != 0 || icmp[1] != 0 || u16(icmp, 4) != id || icmp.substr(kHeaderSize, token.size()) != token) return std::nullopt;
  EchoReply reply;
  for (size_t i = 12; i < 16; ++i) reply.from.value = reply.from.value << 8 | static_cast<uint8_t>(packet[i]);
  reply.sequence = u16(icmp, 6);
  return reply;
}

PeerWatch::PeerWatch(io::Loop& loop, const NodeId& self, Options options, std::function<void(const std::set<NodeId>&)> on_change)
    : loop_(loop), self_(self), options_(std::move(options)), on_change_(std::move(on_change)), token_(crypto::random_bytes(kTokenSize)) {}

void PeerWatch::set_targets(const std::map<NodeId, Reach>& targets) {
  book_.set_targets(targets, self_);
  std::erase_if(sockets_, [&](const auto& entry) {
    return std::none_of(targets.begin(), targets.end(), [&](const auto& target) { return target.second.netns == entry.first; });
  });
  tell();
  if (book_.empty() || is_running_) return;
  is_running_ = true;
  due_ms_ = io::SystemClock().monotonic_ms();
  round();
}

// What has come is read before anybody is judged, and a round that comes late judges mildly: who did not get the processor
// cannot say that others are slow.
void PeerWatch::round() {
  uint64_t now = io::SystemClock().monotonic_ms();
  for (const auto& [netns, socket] : sockets_) receive(netns, socket);
  book_.judge(now >= due_ms_ + options_.every_ms / 2 ? PeerBook::Round::Late : PeerBook::Round::InTime);
  tell();
  if (book_.empty()) {
    is_running_ = false;
    return;
  }
  for (const PeerBook::Echo& echo : book_.next()) send(echo);
  due_ms_ = now + options_.every_ms;
  timer_ = loop_.after(options_.every_ms, [this] { round(); });
}

void PeerWatch::tell() {
  std::set<NodeId> silent = book_.silent();
  if (silent == silent_) return;
  for (const NodeId& node : silent) {
    if (!silent_.contains(node)) log::warning("node", "a node answers no pings", {{"peer", node.short_hex()}});
  }
  for (const NodeId& node : silent_) {
    if (!silent.contains(node)) log::info("node", "a node answers pings again", {{"peer", node.short_hex()}});
  }
  silent_ = std::move(silent);
  on_change_(silent_);
}

// The namespace may have been made anew since.
int PeerWatch::socket_of(const std::string& netns) {
  std::string path = netns.empty() ? "/proc/self/ns/net" : options_.netns_folder + "/" + netns;
  uint64_t id = file_id(path);
  Socket& socket = sockets_[netns];
  if (socket.fd.is_open() && socket.namespace_id == id) return socket.fd.get();
  auto opened = network::open_socket_in(path, AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
  if (!opened.has_value()) {
    log::debug("node", "no pings from this namespace", {{"netns", netns}, {"reason", opened.error().message}});
    socket.fd = io::Fd();
    return -1;
  }
  int on = 1;
  ::setsockopt(opened->get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  uint32_t all_but_replies = ~1u;  // ICMP_FILTER of linux/icmp.h
  ::setsockopt(opened->get(), SOL_RAW, 1, &all_but_replies, sizeof all_but_replies);
  socket.fd = std::move(*opened);
  socket.namespace_id = id;
  return socket.fd.get();
}

void PeerWatch::send(const PeerBook::Echo& echo) {
  int fd = socket_of(echo.reach.netns);
  if (fd < 0) return;
  Bytes token = token_;
  uint64_t now = realtime_us();
  token.append(reinterpret_cast<const char*>(&now), sizeof now);
  Bytes packet = echo_request(kId, echo.sequence, token);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(echo.reach.address.value);
  // What cannot be sent is not answered.
  ::sendto(fd, packet.data(), packet.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void PeerWatch::receive(const std::string& netns, const Socket& socket) {
  if (!socket.fd.is_open()) return;
  for (int i = 0; i < kPacketsMax; ++i) {
    char bytes[kPacketBytesMax];
    char control[128];
    iovec part{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = ::recvmsg(socket.fd.get(), &message, MSG_DONTWAIT);
    if (size < 0) return;
    BytesView packet(bytes, static_cast<size_t>(size));
    auto reply = parse_echo_reply(packet, kId, token_);
    uint64_t sent = 0;
    if (!reply || packet.size() < sizeof sent) continue;
    std::memcpy(&sent, packet.data() + packet.size() - sizeof sent, sizeof sent);
    uint64_t arrived = arrival_us(message);
    book_.answered({netns, reply->from}, reply->sequence, arrived > sent ? arrived - sent : 0);
  }
}

}  // namespace mcloud::node
