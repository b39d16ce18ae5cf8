#include "gateway/words.h"

#include <algorithm>

namespace mcloud::gateway {
namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alphanumeric(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_path_of(std::string_view path, std::string_view more) {
  if (path.empty() || path.size() > 1024 || path.front() != '/') return false;
  return std::ranges::all_of(path, [&](char c) { return is_alphanumeric(c) || more.find(c) != more.npos; });
}

}  // namespace

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == name.npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_workload_name(std::string_view name) { return is_label(name); }

bool is_route_path(std::string_view path) { return is_path_of(path, "/-._~!$&'()*+,;=:@%"); }
bool is_check_path(std::string_view path) { return is_path_of(path, "/-._~!$&'()*+,;=:@%?"); }

bool is_ip(std::string_view address) { return IpAddress::parse(address).has_value(); }
bool is_cidr(std::string_view range) { return parse_cidr(range).has_value(); }

Result<IpPrefix> parse_cidr(std::string_view range) {
  if (range.find('/') != range.npos) return IpPrefix::parse_interface(range);
  IpAddress address = TRY(IpAddress::parse(range));
  return IpPrefix{address, address.is_v6 ? 128 : 32};
}

bool is_thumbprint(std::string_view text) {
  return text.size() == 43 && std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
}

bool is_file_path(std::string_view path) { return is_path_of(path, "/._-"); }

std::string quoted(std::string_view word) {
  std::string out = "'";
  for (char c : word) {
    if (c == '\'') out += "'\\''";
    else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
  }
  return out + "'";
}

}  // namespace mcloud::gateway
