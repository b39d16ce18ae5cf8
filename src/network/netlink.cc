#include "network/netlink.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace mcloud::network {
namespace {

constexpr int kAnswerTimeoutMs = 5'000;
constexpr size_t kReceiveBytes = 64 << 10;

size_t padded(size_t size) { return (size + 3) & ~size_t{3}; }

template <typename Struct>
bool read_struct(std::string_view bytes, Struct& out) {
  if (bytes.size() < sizeof out) return false;
  std::memcpy(&out, bytes.data(), sizeof out);
  return true;
}

// NLMSG_ERROR: struct nlmsgerr, then (extended acknowledgement) attributes.
Status outcome_of(const nlmsghdr& header, std::string_view payload) {
  nlmsgerr report;
  if (!read_struct(payload, report)) return make_error(Code::Internal, "netlink: short acknowledgement");
  if (report.error == 0) return {};
  std::string what = "netlink";
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    size_t skip = sizeof report;
    if ((header.nlmsg_flags & NLM_F_CAPPED) == 0 && report.msg.nlmsg_len > sizeof report.msg) {
      skip += padded(report.msg.nlmsg_len - sizeof report.msg);
    }
    if (skip <= payload.size()) {
      std::string text = NetlinkAttributes(payload.substr(skip)).text(NLMSGERR_ATTR_MSG);
      if (!text.empty()) what += ": " + text;
    }
  }
  Error error = errno_error(-report.error, what);
  if (report.error == -ENODEV || report.error == -ESRCH) error.code = Code::NotFound;
  return error;
}

}  // namespace

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
  append(header);
}

void NetlinkMessage::append_bytes(std::string_view bytes) {
  bytes_ += bytes;
  bytes_.resize(padded(bytes_.size()));
}

void NetlinkMessage::put(uint16_t type, std::string_view bytes) {
  CHECK(bytes.size() < 0xFFFF - NLA_HDRLEN);
  nlattr attribute{};
  attribute.nla_len = static_cast<uint16_t>(NLA_HDRLEN + bytes.size());
  attribute.nla_type = type;
  append(attribute);
  append_bytes(bytes);
}

void NetlinkMessage::put_text(uint16_t type, const std::string& text) { put(type, {text.c_str(), text.size() + 1}); }
void NetlinkMessage::put_u8(uint16_t type, uint8_t value) { put(type, {reinterpret_cast<char*>(&value), 1}); }
void NetlinkMessage::put_u16_be(uint16_t type, uint16_t value) {
  value = htons(value);
  put(type, {reinterpret_cast<char*>(&value), 2});
}
void NetlinkMessage::put_u32(uint16_t type, uint32_t value) { put(type, {reinterpret_cast<char*>(&value), 4}); }
void NetlinkMessage::put_u32_be(uint16_t type, uint32_t value) { put_u32(type, htonl(value)); }

void NetlinkMessage::nest(uint16_t type, const std::function<void()>& inside) {
  size_t start = bytes_.size();
  put(static_cast<uint16_t>(type | NLA_F_NESTED), {});
  inside();
  CHECK(bytes_.size() - start <= 0xFFFF);
  uint16_t length = static_cast<uint16_t>(bytes_.size() - start);
  std::memcpy(bytes_.data() + start, &length, sizeof length);
}

std::string& NetlinkMessage::finish(uint32_t sequence) {
  nlmsghdr header;
  std::memcpy(&header, bytes_.data(), sizeof header);
  header.nlmsg_len = static_cast<uint32_t>(bytes_.size());
  header.nlmsg_seq = sequence;
  std::memcpy(bytes_.data(), &header, sizeof header);
  return bytes_;
}

std::string_view NetlinkAttributes::find(uint16_t type) const {
  std::string_view rest = bytes_;
  nlattr attribute;
  while (read_struct(rest, attribute)) {
    if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > rest.size()) return {};
    if ((attribute.nla_type & NLA_TYPE_MASK) == type) return rest.substr(NLA_HDRLEN, attribute.nla_len - NLA_HDRLEN);
    rest.remove_prefix(std::min(rest.size(), padded(attribute.nla_len)));
  }
  return {};
}

Status NetlinkAttributes::each(const std::function<Status(uint16_t, std::string_view)>& take) const {
  std::string_view rest = bytes_;
  nlattr attribute;
  while (read_struct(rest, attribute)) {
    if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > rest.size()) return {};
    TRY(take(attribute.nla_type & NLA_TYPE_MASK, rest.substr(NLA_HDRLEN, attribute.nla_len - NLA_HDRLEN)));
    rest.remove_prefix(std::min(rest.size(), padded(attribute.nla_len)));
  }
  return {};
}

void NetlinkAttributes::each(uint16_t type, const std::function<void(NetlinkAttributes)>& take) const {
  std::string_view rest = bytes_;
  nlattr attribute;
  while (read_struct(rest, attribute)) {
    if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > rest.size()) return;
    if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
      take(NetlinkAttributes(rest.substr(NLA_HDRLEN, attribute.nla_len - NLA_HDRLEN)));
    }
    rest.remove_prefix(std::min(rest.size(), padded(attribute.nla_len)));
  }
}

bool NetlinkAttributes::has(uint16_t type) const { return find(type).data() != nullptr; }

std::string NetlinkAttributes::text(uint16_t type) const {
  std::string_view bytes = find(type);
  return std::string(bytes.substr(0, bytes.find('\0')));
}

uint32_t NetlinkAttributes::u32(uint16_t type, uint32_t otherwise) const {
  uint32_t value = otherwise;
  return read_struct(find(type), value) ? value : otherwise;
}

uint32_t NetlinkAttributes::u32_be(uint16_t type, uint32_t otherwise) const {
  uint32_t value;
  return read_struct(find(type), value) ? ntohl(value) : otherwise;
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
  io::Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd.is_open()) return errno_error(errno, "open a netlink socket");
  int on = 1;
  int bytes = 1 << 20;
  // Both only improve: explanations in errors, and room for long dumps.
  static_cast<void>(::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on));
  static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(errno, "bind a netlink socket");
  }
  return NetlinkSocket(std::move(fd));
}

Status NetlinkSocket::request(NetlinkMessage message) {
  TRY(ask(std::move(message)));
  return {};
}

Result<std::vector<NetlinkReply>> NetlinkSocket::ask(NetlinkMessage message) {
  uint32_t sequence = ++sequence_;
  std::string& bytes = message.finish(sequence);
  if (::send(fd_.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return errno_error(errno, "netlink: send");
  }
  std::vector<NetlinkReply> replies;
  while (!TRY(take(sequence, replies))) {
  }
  return replies;
}

// One datagram of answers; true when the last one has come.
Result<bool> NetlinkSocket::take(uint32_t sequence, std::vector<NetlinkReply>& replies) {
  pollfd waiting{fd_.get(), POLLIN, 0};
  int ready = ::poll(&waiting, 1, kAnswerTimeoutMs);
  if (ready < 0 && errno == EINTR) return false;
  if (ready <= 0) return make_error(Code::TimedOut, "netlink: no answer within 5 s");
  std::string buffer(kReceiveBytes, '\0');
  ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && errno == EINTR) return false;
  if (got < 0) return errno_error(errno, "netlink: receive");
  std::string_view rest(buffer.data(), static_cast<size_t>(got));
  nlmsghdr header;
  while (read_struct(rest, header)) {
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) {
      return make_error(Code::Internal, "netlink: malformed answer");
    }
    std::string_view payload = rest.substr(sizeof header, header.nlmsg_len - sizeof header);
    rest.remove_prefix(std::min(rest.size(), padded(header.nlmsg_len)));
    if (header.nlmsg_seq != sequence) continue;  // an answer to a request that timed out
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      TRY(outcome_of(header, payload));
      return true;
    }
    replies.push_back({header.nlmsg_type, std::string(payload)});
  }
  return false;
}

}  // namespace mcloud::network
