// The URL of a store in its parts (stores/store.h lists the forms). Pure. Errors never quote what may be a secret.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud::image {

struct StoreUrl {
  enum class Kind : uint8_t { Folder, Kv, S3, Http };
  Kind kind = Kind::Folder;
  std::string scheme;    // as written
  bool is_tls = false;
  std::string user;      // S3: the key's id, "" for a bucket that everybody may read
  std::string password;  // S3: the secret
  std::string host;      // "" with Folder and for kv on a unix socket
  uint16_t port = 0;
  std::string path;      // Folder; Http: "/PATH" or ""; Kv on a unix socket: its path
  std::string space;     // Kv: the namespace or ""; S3: the bucket
  std::string region;    // S3

  static Result<StoreUrl> parse(std::string_view text);
  // A URL for the same place, without user, password and keys; it parses too.
  std::string without_secrets() const;
};

}  // namespace mcloud::image
