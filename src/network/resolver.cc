#include "network/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <set>

#include "network/names.h"

namespace mcloud::network {
namespace {

// An answer has at most 64 KiB: what does not fit into one under a name and type is left out.
constexpr size_t kAnswerBytesMax = 60'000;
constexpr const char* kTtl = " 1 IN ";  // what is withdrawn is gone a second later

// A label of a name; nothing else may get into the server's configuration.
bool is_label(const std::string& text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::string reverse_name(Ipv4 address) {
  std::string out;
  for (int shift = 0; shift <= 24; shift += 8) out += std::to_string(address.value >> shift & 255) + ".";
  return out + "in-addr.arpa.";
}

std::string reverse_name(const in6_addr& address) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (int i = 15; i >= 0; --i) {
    for (int nibble : {address.s6_addr[i] & 15, address.s6_addr[i] >> 4}) {
      out += digits[static_cast<size_t>(nibble)];
      out += '.';
    }
  }
  return out + "ip6.arpa.";
}

class Records {
 public:
  // `bytes`: of the record's data in an answer.
  void add(const std::string& name, const std::string& type, const std::string& data, size_t bytes) {
    std::string line = name + kTtl + type + " " + data;
    if (lines_.contains(line)) return;
    size_t& size = sizes_[name + type];
    if (size + bytes + 12 > kAnswerBytesMax) return;
    size += bytes + 12;
    lines_.insert(std::move(line));
  }
  std::vector<std::string> take() && { return {lines_.begin(), lines_.end()}; }

 private:
  std::set<std::string> lines_;
  std::map<std::string, size_t> sizes_;
};

void add_member(Records& out, const std::string& zone, const ServedMember& member) {
  std::string own = host_name(member.workload, member.index) + zone;
  std::string all = member.workload + zone;
  for (const std::string& name : {own, all}) out.add(name, "A", member.address.text(), 4);
  out.add(reverse_name(member.address), "PTR", own, own.size() + 1);
  in6_addr address6{};
  if (::inet_pton(AF_INET6, member.address6.c_str(), &address6) == 1) {
    for (const std::string& name : {own, all}) out.add(name, "AAAA", member.address6, 16);
    out.add(reverse_name(address6), "PTR", own, own.size() + 1);
  }
  for (const ServedMember::Port& port : member.ports) {
    if (!is_label(port.name) || (port.protocol != "tcp" && port.protocol != "udp") || port.number == 0) continue;
    out.add("_" + port.name + "._" + port.protocol + "." + all, "SRV", "0 1 " + std::to_string(port.number) + " " + own,
            own.size() + 7);
  }
}

}  // namespace

std::vector<std::string> records(const NetworkNames& names) {
  if (!is_label(names.contract)) return {};
  Records out;
  for (const ServedMember& member : names.members) {
    bool is_served = is_label(host_name(member.workload, member.index)) && !member.address.is_none();
    if (is_served) add_member(out, "." + names.contract + ".internal.", member);
  }
  return std::move(out).take();
}

}  // namespace mcloud::network
