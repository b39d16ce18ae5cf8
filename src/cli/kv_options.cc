#include "cli/kv_options.h"

#include <charconv>
#include <vector>

#include "io/file.h"
#include "kv/settings_text.h"

namespace mcloud::cli {
namespace {

using Options = ServeOptions;

constexpr uint64_t kMebi = 1 << 20;
constexpr size_t kShownBytes = 60;  // of a wrong value

constexpr ServeOption kOptions[] = {
    {"data", "DIR", "folder of the store, made when it is not there (needed)", &Options::data},
    {"listen", "HOST", "address to listen on (127.0.0.1)", &Options::listen},
    {"port", "N", "port to listen on (9900); 0 takes a free one and prints it", &Options::port, 0, 65535},
    {"socket", "PATH", "unix socket to listen on too", &Options::socket},
    {"dialect", "NAME", "0-db (default) or redis", &Options::dialect, 0, 0, "0-db|redis"},
    {"admin-password-file", "FILE", "who gives this password may manage namespaces; without it all may",
     &Options::admin_password_file},
    {"protect", "", "the default namespace is read-only for who is no administrator", &Options::protect},
    {"private", "", "nothing is read or written by who is no administrator", &Options::is_private},
    {"durability", "WHEN", "of new namespaces, what OK means: always (on the disk), interval (default), none",
     &Options::durability, 0, 0, "always|interval|none"},
    {"interval-ms", "N", "of new namespaces with durability interval: on the disk after so long (1000)",
     &Options::interval_ms, 1, 3'600'000},
    {"history", "WHAT", "of new namespaces: forever (default), last:VERSIONS or newer:MS", &Options::history},
    {"size", "BYTES", "of new namespaces, what live keys and values may take; 0 (default) is no bound", &Options::size, 0,
     uint64_t{1} << 50},
    {"mode", "MODE", "who makes keys: user, seq (the server) or mixed (each namespace its own; default)",
     &Options::mode, 0, 0, "user|seq|mixed"},
    {"threads", "N", "threads that serve connections (1)", &Options::threads, 1, 64},
    {"connections", "N", "connections at a time (4096)", &Options::connections, 1, 1 << 20},
    {"memory-mb", "N", "memory for clients' buffers (512)", &Options::memory_mb, 16, 1 << 20},
    {"tls-cert", "FILE", "certificate (PEM, its chain behind it): TLS 1.2 and 1.3 on a port of its own", &Options::tls_cert},
    {"tls-key", "FILE", "key of the certificate (PEM, without passphrase)", &Options::tls_key},
    {"tls-ca", "FILE", "TLS clients must show a certificate of this authority", &Options::tls_ca},
    {"tls-port", "N", "port for TLS (9901); 0 takes a free one and prints it", &Options::tls_port, 0, 65535},
    {"tls-only", "", "no TCP port without TLS; the unix socket stays", &Options::tls_only},
    {"metrics-listen", "HOST:PORT", "serve Prometheus metrics there, at /metrics", &Options::metrics_listen},
    {"follow", "HOST:PORT", "copy this server and follow it, unless another role is remembered", &Options::follow},
    {"password-file", "FILE", "the admin password of the server that is followed", &Options::password_file},
    {"follow-tls-ca", "FILE", "follow by TLS: the master's certificate must be of this authority and for its HOST",
     &Options::follow_tls_ca},
    {"follow-tls-cert", "FILE", "certificate (PEM) for a master that asks for one", &Options::follow_tls_cert},
    {"follow-tls-key", "FILE", "key of that certificate (PEM, without passphrase)", &Options::follow_tls_key},
    {"min-replicas", "N", "a write is acknowledged when so many followers have it on their disks",
     &Options::min_replicas, 0, 63},
    {"managed", "", "begin as nobody and wait for the node's agent (GROUP)", &Options::managed},
    {"segment-mb", "N", "size of the log's files (256)", &Options::segment_mb, 1, 32 << 10},
};

std::vector<std::string_view> choices_of(const ServeOption& option) {
  std::vector<std::string_view> choices;
  for (std::string_view rest = option.choices; !rest.empty();) {
    size_t end = std::min(rest.find('|'), rest.size());
    choices.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return choices;
}

Error refuse(const ServeOption& option, std::string_view text, const std::string& where) {
  return make_error(Code::Invalid, where + ": allowed: " + allowed_values(option) + "; not \"" +
                                       std::string(text.substr(0, kShownBytes)) + "\"");
}

// A value that set_option() has let pass, as what it stands for.
template <typename Value>
Value chosen(const std::string& word, std::initializer_list<std::pair<std::string_view, Value>> choices) {
  for (const auto& [name, value] : choices) {
    if (name == word) return value;
  }
  return choices.begin()->second;
}

Result<std::string> read_password(const std::string& path, const std::string& option) {
  if (path.empty()) return std::string();
  std::string text = TRY(io::read_file(path, 4096).with_context(option));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty() || text.size() > 128)
    return make_error(Code::Invalid, option + " " + path + ": a password has 1 to 128 bytes, in one line");
  return text;
}

Result<kv::ServiceOptions> service_options(const ServeOptions& options) {
  kv::ServiceOptions service;
  service.folder = options.data;
  service.protects_default = options.protect;
  service.memory_bytes_max = options.memory_mb * kMebi;
  service.admin_password = TRY(read_password(options.admin_password_file, "admin-password-file"));
  service.dialect = chosen<kv::Dialect>(options.dialect, {{"0-db", kv::Dialect::Zdb}, {"redis", kv::Dialect::Redis}});
  using Policy = kv::ModePolicy;
  service.mode = chosen<Policy>(options.mode,
                                {{"mixed", Policy::Mixed}, {"user", Policy::User}, {"seq", Policy::Sequence}});
  using Durability = kv::Durability;
  service.defaults.durability = chosen<Durability>(
      options.durability,
      {{"interval", Durability::Interval}, {"always", Durability::Always}, {"none", Durability::None}});
  service.defaults.interval_ms = options.interval_ms;
  if (service.mode == Policy::Sequence) service.defaults.mode = kv::KeyMode::Sequence;
  service.is_private = options.is_private;
  service.has_agent_socket = options.managed && !options.socket.empty();
  service.defaults.bytes_max = options.size;
  auto history = kv::history_of(options.history);
  if (!history)
    return make_error(Code::Invalid, "history: allowed: forever, last:VERSIONS or newer:MS; not \"" +
                                         options.history.substr(0, kShownBytes) + "\"");
  service.defaults.history = *history;
  if (options.protect && service.admin_password.empty())
    return make_error(Code::Invalid, "protect needs admin-password-file");
  if (options.is_private && service.admin_password.empty())
    return make_error(Code::Invalid, "private needs admin-password-file");
  return service;
}

Status add_tls(const ServeOptions& options, kv::ServerOptions& wanted) {
  bool has_all = !options.tls_cert.empty() && !options.tls_key.empty();
  bool has_any = !options.tls_cert.empty() || !options.tls_key.empty() || !options.tls_ca.empty() || options.tls_only;
  if (has_any && !has_all) return make_error(Code::Invalid, "TLS needs both tls-cert and tls-key");
  wanted.tls = {options.tls_cert, options.tls_key, options.tls_ca};
  wanted.tls_host = options.listen;
  wanted.tls_port = static_cast<uint16_t>(options.tls_port);
  if (options.tls_only) wanted.host.clear();
  return {};
}

// How masters are spoken to, whoever names them.
Status add_follow_tls(const ServeOptions& options, kv::ServiceOptions& service) {
  bool has_certificate = !options.follow_tls_cert.empty(), has_key = !options.follow_tls_key.empty();
  if (has_certificate != has_key)
    return make_error(Code::Invalid, "follow-tls-cert and follow-tls-key are needed together");
  if (has_certificate && options.follow_tls_ca.empty())
    return make_error(Code::Invalid, "follow-tls-cert needs follow-tls-ca");
  service.upstream_tls = {options.follow_tls_cert, options.follow_tls_key, options.follow_tls_ca};
  return {};
}

// Whom this server follows from the start, and how many must have a write.
Status add_replication(const ServeOptions& options, kv::ServerOptions& wanted) {
  wanted.service.is_managed = options.managed;
  TRY(add_follow_tls(options, wanted.service));
  wanted.service.upstream_password = TRY(read_password(options.password_file, "password-file"));
  const bool has_copies = options.min_replicas <= 63;
  if (options.managed && (has_copies || !options.follow.empty()))
    return make_error(Code::Invalid, "managed: the node's agent says whom to follow and how many replicas there are");
  if (has_copies) wanted.replication.copies = options.min_replicas + 1;
  if (options.follow.empty()) return {};
  const std::string& text = options.follow;
  size_t colon = text.rfind(':');
  size_t digits = std::min(colon, text.size() - 1) + 1;
  uint16_t port = 0;
  auto [end, failed] = std::from_chars(text.data() + digits, text.data() + text.size(), port);
  bool is_good = colon != std::string::npos && colon > 0 && failed == std::errc() &&
                 end == text.data() + text.size() && port > 0;
  if (!is_good)
    return make_error(Code::Invalid, "follow: allowed: HOST:PORT; not \"" + text.substr(0, kShownBytes) + "\"");
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  wanted.replication.follow = kv::Upstream{host, port, wanted.service.upstream_password};
  return {};
}

// "HOST:PORT", "[::1]:PORT".
Status add_metrics(const std::string& text, kv::ServerOptions& wanted) {
  if (text.empty()) return {};
  size_t colon = text.rfind(':');
  uint16_t port = 0;
  auto [end, failed] = std::from_chars(text.data() + std::min(colon, text.size() - 1) + 1, text.data() + text.size(), port);
  std::string host = text.substr(0, std::min(colon, text.size()));
  bool is_good = colon != std::string::npos && colon + 1 < text.size() && failed == std::errc() &&
                 end == text.data() + text.size() && !host.empty();
  if (!is_good)
    return make_error(Code::Invalid, "metrics-listen: allowed: HOST:PORT; not \"" + text.substr(0, kShownBytes) + "\"");
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  wanted.has_metrics = true;
  wanted.metrics_host = host;
  wanted.metrics_port = port;
  return {};
}

}  // namespace

std::span<const ServeOption> serve_options() { return kOptions; }

std::string allowed_values(const ServeOption& option) {
  if (std::holds_alternative<bool Options::*>(option.member)) return "true or false";
  if (std::holds_alternative<uint64_t Options::*>(option.member))
    return std::to_string(option.least) + " to " + std::to_string(option.most);
  std::vector<std::string_view> choices = choices_of(option);
  if (choices.empty()) return "a text";
  std::string text(choices[0]);
  for (size_t i = 1; i < choices.size(); i++)
    text += (i + 1 == choices.size() ? " or " : ", ") + std::string(choices[i]);
  return text;
}

std::string value_text(const ServeOptions& options, const ServeOption& option) {
  if (auto flag = std::get_if<bool Options::*>(&option.member)) return options.**flag ? "true" : "false";
  if (auto number = std::get_if<uint64_t Options::*>(&option.member))
    return options.**number > option.most ? "" : std::to_string(options.**number);
  return options.*std::get<std::string Options::*>(option.member);
}

Status set_option(ServeOptions& options, const ServeOption& option, std::string_view text, const std::string& where) {
  if (auto flag = std::get_if<bool Options::*>(&option.member)) {
    if (text != "true" && text != "false") return refuse(option, text, where);
    options.**flag = text == "true";
    return {};
  }
  if (auto number = std::get_if<uint64_t Options::*>(&option.member)) {
    uint64_t value = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool is_whole = failed == std::errc() && end == text.data() + text.size();
    if (!is_whole || value < option.least || value > option.most) return refuse(option, text, where);
    options.**number = value;
    return {};
  }
  std::vector<std::string_view> choices = choices_of(option);
  bool is_allowed = choices.empty();
  for (std::string_view choice : choices) is_allowed |= choice == text;
  if (!is_allowed || text.find('\0') != std::string_view::npos) return refuse(option, text, where);
  options.*std::get<std::string Options::*>(option.member) = text;
  return {};
}

Result<kv::ServerOptions> server_options(const ServeOptions& options) {
  if (options.data.empty())
    return make_error(Code::Invalid, "data is missing: give --data DIR, or data in the file that --config names");
  kv::ServerOptions wanted;
  wanted.host = options.listen;
  wanted.port = static_cast<uint16_t>(options.port);
  wanted.socket_path = options.socket;
  wanted.threads = options.threads;
  wanted.connections_max = options.connections;
  wanted.service = TRY(service_options(options));
  TRY(add_tls(options, wanted));
  TRY(add_metrics(options.metrics_listen, wanted));
  TRY(add_replication(options, wanted));
  return wanted;
}

}  // namespace mcloud::cli
