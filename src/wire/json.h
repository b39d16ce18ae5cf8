// JSON from outside, strictly: bounded, no key twice, and errors that name the key.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud::wire {

// Invalid when `text` is not one JSON value (RFC 8259), names a key twice in an object, is longer than
// `bytes_max` or nests deeper than `depth_max`. Never throws.
Result<nlohmann::json> parse_json(std::string_view text, size_t bytes_max = 4 << 20, int depth_max = 32);

// The member `key` of an object. Invalid, naming the key, when it is not there or of another kind.
Result<std::string> json_string(const nlohmann::json& object, std::string_view key);
Result<uint64_t> json_u64(const nlohmann::json& object, std::string_view key);
Result<bool> json_bool(const nlohmann::json& object, std::string_view key);
// Points into `object`.
Result<const nlohmann::json*> json_array(const nlohmann::json& object, std::string_view key);
Result<const nlohmann::json*> json_object(const nlohmann::json& object, std::string_view key);

// The text of a value; what is not UTF-8 in it becomes U+FFFD. `indent` < 0: one line.
std::string json_text(const nlohmann::json& value, int indent = -1);

}  // namespace mcloud::wire
