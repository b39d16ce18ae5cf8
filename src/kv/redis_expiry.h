// How long keys live, in the Redis dialect: the words of its commands, read as Redis 7.0 reads them. A key's expiry is a
// moment, milliseconds since 1970.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mcloud::kv {
struct Call;
}

namespace mcloud::kv::redis {

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

// What SET and GETEX say about it.
struct Lifetime {
  enum class Kind { None, Keep, Persist, Seconds, Milliseconds, AtSecond, AtMillisecond };
  Kind kind = Kind::None;
  std::string_view number;  // of all but the first three
  bool is_moment() const { return kind >= Kind::Seconds; }
  bool is_absolute() const { return kind >= Kind::AtSecond; }
};

// Takes EX, PX, EXAT or PXAT with its number, or `word` (KEEPTTL or PERSIST), from the place `i`, and leaves `i` at the
// last word taken. False: none of them stands there, or one that contradicts what came before.
bool take_lifetime(const Call& call, size_t& i, std::string_view word, Lifetime& lifetime);

// As of when keys expire for this command; stands still within a transaction.
uint64_t now_ms(Call& call);

// The moment that a lifetime of which is_moment() means. nullopt: the error is said.
std::optional<uint64_t> moment_of(Call& call, const Lifetime& lifetime);

// As Redis: no sign but "-", no zeros in front.
std::optional<int64_t> parse_strict_integer(std::string_view text);

}  // namespace mcloud::kv::redis
