// Words from outside on their way into HAProxy's files: what may pass, and how it is written there. Pure.
//
// HAProxy's configuration is text with quotes, comments and line ends; its maps are lines. Nothing gets into either but what one of
// these has checked, so that no name, path or address can become a directive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_prefix.h"

namespace mcloud::gateway {

bool is_host_name(std::string_view name);   // lower case letters, digits, '-' in labels, dots; at most 253
bool is_workload_name(std::string_view name);  // lower case letters, digits, '-'; at most 63
bool is_route_path(std::string_view path);  // '/', then RFC 3986 pchar and '/'; at most 1,024
bool is_check_path(std::string_view path);  // the same with '?'
bool is_ip(std::string_view address);       // IPv4 or IPv6, no zone
bool is_cidr(std::string_view range);       // IP/LENGTH, or an IP
Result<IpPrefix> parse_cidr(std::string_view range);
bool is_thumbprint(std::string_view text);  // base64url, 43 characters
bool is_file_path(std::string_view path);   // absolute; letters, digits and "/._-"

// As one word of HAProxy's configuration, in strong quotes.
std::string quoted(std::string_view word);

}  // namespace mcloud::gateway
