// Netlink requests as bytes: a builder of messages and a socket that sends one and waits for its answer.
// Linux Documentation/userspace-api/netlink/intro.rst. Used by network/links.h; knows no link types itself.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"

namespace mcloud::network {

// A message header, its fixed part, then attributes (some nested).
class NetlinkMessage {
 public:
  NetlinkMessage(uint16_t type, uint16_t flags);

  // A fixed part (struct ifinfomsg, ...), padded.
  template <typename Struct>
  void append(const Struct& fixed) {
    append_bytes({reinterpret_cast<const char*>(&fixed), sizeof fixed});
  }
  void append_bytes(std::string_view bytes);

  void put(uint16_t type, std::string_view bytes);
  void put_text(uint16_t type, const std::string& text);  // zero-terminated
  void put_u8(uint16_t type, uint8_t value);
  void put_u16_be(uint16_t type, uint16_t value);
  void put_u32(uint16_t type, uint32_t value);
  void put_u32_be(uint16_t type, uint32_t value);
  void put_flag(uint16_t type) { put(type, {}); }

  // Everything put by `inside` becomes the content of one attribute.
  void nest(uint16_t type, const std::function<void()>& inside);

  std::string& finish(uint32_t sequence);

 private:
  std::string bytes_;
};

// The attributes of a received message or of a nested one; borrows its bytes.
class NetlinkAttributes {
 public:
  explicit NetlinkAttributes(std::string_view bytes) : bytes_(bytes) {}
  // The payload of the first attribute of this type; empty when absent.
  std::string_view find(uint16_t type) const;
  bool has(uint16_t type) const;
  NetlinkAttributes nested(uint16_t type) const { return NetlinkAttributes(find(type)); }
  // Every attribute of this type, its content.
  void each(uint16_t type, const std::function<void(NetlinkAttributes)>& take) const;
  std::string text(uint16_t type) const;  // up to the first zero byte
  uint32_t u32(uint16_t type, uint32_t otherwise = 0) const;
  uint32_t u32_be(uint16_t type, uint32_t otherwise = 0) const;
  // Every attribute in order, until one fails; what follows a malformed one is not read. For lists.
  Status each(const std::function<Status(uint16_t type, std::string_view payload)>& take) const;

 private:
  std::string_view bytes_;
};

struct NetlinkReply {
  uint16_t type = 0;
  std::string payload;  // fixed part and attributes
  template <typename Struct>
  const Struct* fixed() const {
    return payload.size() < sizeof(Struct) ? nullptr : reinterpret_cast<const Struct*>(payload.data());
  }
  template <typename Struct>
  NetlinkAttributes attributes() const {
    size_t skip = (sizeof(Struct) + 3) & ~size_t{3};
    return NetlinkAttributes(payload.size() < skip ? std::string_view() : std::string_view(payload).substr(skip));
  }
};

// Bound to the network namespace in which it was opened. Not thread-safe. Waits at most 5 s for an answer.
class NetlinkSocket {
 public:
  static Result<NetlinkSocket> open(int protocol);  // NETLINK_ROUTE, NETLINK_NETFILTER

  // Sends, waits for the acknowledgement. The error has the kernel's code and explanation.
  Status request(NetlinkMessage message);
  // Sends a dump or get request and collects what comes.
  Result<std::vector<NetlinkReply>> ask(NetlinkMessage message);

 private:
  explicit NetlinkSocket(io::Fd fd) : fd_(std::move(fd)) {}
  Result<bool> take(uint32_t sequence, std::vector<NetlinkReply>& replies);
  io::Fd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace mcloud::network
