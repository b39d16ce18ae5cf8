// How people write the ends of a connection.
#include <algorithm>

#include "bot/network_why.h"
#include "base/ip_prefix.h"

namespace mcloud::bot {
namespace {

constexpr std::string_view kDevice = "device:";
constexpr size_t kTextBytesMax = 200;

Error wrong(std::string_view text, std::string_view how) {
  return make_error(Code::Invalid, "\"" + std::string(text.substr(0, kTextBytesMax)) + "\": it is " + std::string(how));
}

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

// [CONTRACT/]NAME, [CONTRACT/]device:NAME
Result<ConnectionEnd> parse_name(std::string_view text, std::string_view how) {
  ConnectionEnd end;
  std::string_view rest = text;
  if (size_t slash = rest.find('/'); slash != std::string_view::npos) {
    end.contract = std::string(rest.substr(0, slash));
    rest.remove_prefix(slash + 1);
    if (!is_word(end.contract)) return wrong(text, how);
  }
  if (rest.starts_with(kDevice)) {
    end.is_device = true;
    rest.remove_prefix(kDevice.size());
  }
  if (!is_word(rest)) return wrong(text, how);
  end.name = std::string(rest);
  return end;
}

}  // namespace

Result<ConnectionEnd> parse_from(std::string_view text) {
  constexpr std::string_view kHow = "CONTRACT/WORKLOAD, CONTRACT/WORKLOAD-INDEX, CONTRACT/device:NAME or internet";
  if (text != "internet") return parse_name(text, kHow);
  ConnectionEnd end;
  end.is_internet = true;
  return end;
}

Result<ConnectionEnd> parse_to(std::string_view text) {
  constexpr std::string_view kHow =
      "[CONTRACT/]WORKLOAD:PORT, [CONTRACT/]device:NAME:PORT, ADDRESS:PORT, [ADDRESS6]:PORT or world:PORT, with /udp behind when it is not TCP";
  std::string_view rest = text;
  std::string protocol = "tcp";
  for (std::string_view known : {"/tcp", "/udp"}) {
    if (!rest.ends_with(known)) continue;
    protocol = std::string(known.substr(1));
    rest.remove_suffix(known.size());
    break;
  }
  size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || !is_word(rest.substr(colon + 1))) return wrong(text, kHow);
  ConnectionEnd end;
  auto outside = IpEndpoint::parse(rest);
  end.is_world = rest.substr(0, colon) == kWorld || outside.has_value();
  if (!end.is_world) end = TRY(parse_name(rest.substr(0, colon), kHow));
  bool is_number = std::ranges::all_of(rest.substr(colon + 1), [](char c) { return c >= '0' && c <= '9'; });
  if (end.is_world && !is_number) return wrong(text, "world:PORT with the number of a port");
  if (outside.has_value()) end.name = outside->address.text();
  end.port = std::string(rest.substr(colon + 1));
  end.protocol = protocol;
  return end;
}

}  // namespace mcloud::bot
