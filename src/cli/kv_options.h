// The options of `mcloud kv serve`, one table: each row is a flag of the command and a key of its --config file, with
// one way to check it. docs/reference/kv-config.md has the same rows; a test compares.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "kv/server.h"

namespace mcloud::cli {

struct ServeOptions {
  std::string data, listen = "127.0.0.1", socket, dialect = "0-db", admin_password_file, durability = "interval",
                    mode = "mixed", history = "forever", tls_cert, tls_key, tls_ca, metrics_listen, follow, password_file,
                    follow_tls_ca, follow_tls_cert, follow_tls_key;
  uint64_t port = 9900, tls_port = 9901, threads = 1, interval_ms = 1000, segment_mb = 256, memory_mb = 512, connections = 4096,
           size = 0,
           min_replicas = ~uint64_t{0};  // beyond its bounds: as it was said before
  bool protect = false, is_private = false, tls_only = false, managed = false;
};

struct ServeOption {
  std::string_view name;   // the key; the flag is "--" and this
  std::string_view value;  // what stands for the value in the help; empty: true or false
  std::string_view help;
  std::variant<std::string ServeOptions::*, uint64_t ServeOptions::*, bool ServeOptions::*> member;
  uint64_t least = 0, most = 0;   // of numbers
  std::string_view choices = {};  // of texts with few: "a|b|c"
};

std::span<const ServeOption> serve_options();

// What is allowed: "0 to 65535", "always, interval or none", "true or false", "a text".
std::string allowed_values(const ServeOption& option);
// As the file would say it; "" for an empty text and for a number beyond what is allowed: those say "not given".
std::string value_text(const ServeOptions& options, const ServeOption& option);
// Invalid, beginning with `where` ("--port", "kv.yaml:3: port"), when `text` is not allowed.
Status set_option(ServeOptions& options, const ServeOption& option, std::string_view text, const std::string& where);

// The --config file: YAML, one map of names and values. Invalid is one line, "FILE:LINE: KEY: ...".
Status read_config(ServeOptions& options, const std::string& file_name, std::string_view text);

// What the server needs. Reads the password's file.
Result<kv::ServerOptions> server_options(const ServeOptions& options);

}  // namespace mcloud::cli
