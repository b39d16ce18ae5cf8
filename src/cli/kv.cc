// mcloud kv serve
#include <cstdio>

#include "cli/commands.h"
#include "cli/desk.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/file.h"
#include "io/loop.h"
#include "kv/server.h"

namespace mcloud::cli {
namespace {

constexpr uint64_t kMebi = 1 << 20;

struct Options {
  std::string data, host = "127.0.0.1", socket, dialect = "0-db", password_file, durability = "interval",
                    mode = "mixed";
  uint64_t port = 9900, threads = 1, interval_ms = 1000, segment_mb = 256, memory_mb = 512, connections = 4096;
  bool protect = false;
};

// The value of an option that has few; Invalid names them.
template <typename Value>
Result<Value> choose(std::string_view option, const std::string& word,
                     std::initializer_list<std::pair<std::string_view, Value>> choices) {
  std::string allowed;
  for (const auto& [name, value] : choices) {
    if (name == word) return value;
    allowed += (allowed.empty() ? "" : ", ") + std::string(name);
  }
  return make_error(Code::Invalid, std::string(option) + " " + word.substr(0, 60) + ": allowed are " + allowed);
}

Status check_range(std::string_view option, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return make_error(Code::Invalid, std::string(option) + ": " + std::to_string(least) + " to " + std::to_string(most) +
                                       " are allowed");
}

Result<std::string> read_password(const std::string& path) {
  if (path.empty()) return std::string();
  std::string text = TRY(io::read_file(path, 4096));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty() || text.size() > 128)
    return make_error(Code::Invalid, "--admin-password-file " + path + ": a password has 1 to 128 bytes, in one line");
  return text;
}

Result<kv::ServerOptions> server_options(const Options& options) {
  TRY(check_range("--port", options.port, 0, 65535));
  TRY(check_range("--threads", options.threads, 1, 64));
  TRY(check_range("--interval-ms", options.interval_ms, 1, 3'600'000));
  TRY(check_range("--memory-mb", options.memory_mb, 16, 1 << 20));
  TRY(check_range("--connections", options.connections, 1, 1 << 20));
  kv::ServerOptions wanted;
  wanted.host = options.host;
  wanted.port = static_cast<uint16_t>(options.port);
  wanted.socket_path = options.socket;
  wanted.threads = options.threads;
  wanted.connections_max = options.connections;
  kv::ServiceOptions& service = wanted.service;
  service.folder = options.data;
  service.protects_default = options.protect;
  service.memory_bytes_max = options.memory_mb * kMebi;
  service.admin_password = TRY(read_password(options.password_file));
  service.dialect = TRY(
      choose<kv::Dialect>("--dialect", options.dialect, {{"0-db", kv::Dialect::Zdb}, {"redis", kv::Dialect::Redis}}));
  service.mode = TRY(choose<kv::ModePolicy>(
      "--mode", options.mode,
      {{"user", kv::ModePolicy::User}, {"seq", kv::ModePolicy::Sequence}, {"mixed", kv::ModePolicy::Mixed}}));
  service.defaults.durability = TRY(choose<kv::Durability>(
      "--durability", options.durability,
      {{"always", kv::Durability::Always}, {"interval", kv::Durability::Interval}, {"none", kv::Durability::None}}));
  service.defaults.interval_ms = options.interval_ms;
  if (service.mode == kv::ModePolicy::Sequence) service.defaults.mode = kv::KeyMode::Sequence;
  if (options.protect && service.admin_password.empty())
    return make_error(Code::Invalid, "--protect needs --admin-password-file");
  return wanted;
}

// The durability that was asked for now, also of namespaces that are there already.
Status apply_durability(kv::Store& store, const kv::Settings& defaults) {
  for (const std::string& name : store.names()) {
    kv::NamespacePtr space = store.find(name);
    kv::Settings settings = space->settings();
    if (settings.durability == defaults.durability && settings.interval_ms == defaults.interval_ms) continue;
    settings.durability = defaults.durability;
    settings.interval_ms = defaults.interval_ms;
    TRY(space->set_settings(settings));
  }
  return {};
}

Status serve(const Options& options) {
  kv::ServerOptions wanted = TRY(server_options(options));
  TRY(check_range("--segment-mb", options.segment_mb, 1, 32 << 10));
  io::SystemDisk disk;
  io::SystemClock clock;
  io::SystemRandom random;
  io::Loop signals;
  signals.stop_on_signals();
  std::unique_ptr<kv::Store> store = TRY(
      kv::Store::open(
          disk, clock,
          {.folder = options.data, .segment_bytes = options.segment_mb * kMebi, .defaults = wanted.service.defaults})
          .with_context("open " + options.data));
  TRY(apply_durability(*store, wanted.service.defaults));
  std::unique_ptr<kv::Server> server = TRY(kv::Server::start(*store, disk, clock, random, wanted));
  std::string where = options.host + " port " + std::to_string(server->port());
  if (!options.socket.empty()) where += " and " + options.socket;
  std::printf("kv listens on %s (dialect %s, durability %s, data %s)\n", where.c_str(), options.dialect.c_str(),
              options.durability.c_str(), options.data.c_str());
  std::fflush(stdout);
  signals.run();
  server->stop();
  server.reset();
  return store->close();
}

Command kv_serve() {
  auto options = std::make_shared<Options>();
  Command command("kv serve", "serve a key-value store to 0-db and Redis clients");
  command.example("mcloud kv serve --data /var/lib/mcloud/kv --dialect redis --port 6379")
      .describe(
          "Needs no cluster. Speaks 0-db, and Redis with connections that begin with HELLO or with --dialect redis.\n"
          "Ends on SIGTERM or Ctrl-C with everything on the disk.")
      .required_option("--data", "DIR", "folder of the store, made when it is not there", options->data)
      .option("--listen", "HOST", "address to listen on (127.0.0.1)", options->host)
      .option("--port", "N", "port to listen on (9900); 0 takes a free one and prints it", options->port)
      .option("--socket", "PATH", "unix socket to listen on too", options->socket)
      .option("--dialect", "NAME", "0-db (default) or redis", options->dialect)
      .option("--admin-password-file", "FILE", "who gives this password may manage namespaces; without it all may",
              options->password_file)
      .flag("--protect", "the default namespace is read-only for who is no administrator", options->protect)
      .option("--durability", "WHEN", "what OK means: always (on the disk), interval (default), none",
              options->durability)
      .option("--interval-ms", "N", "with --durability interval: on the disk after so long (1000)",
              options->interval_ms)
      .option("--mode", "MODE", "who makes keys: user, seq (the server) or mixed (each namespace its own; default)",
              options->mode)
      .option("--threads", "N", "threads that serve connections (1)", options->threads)
      .option("--connections", "N", "connections at a time (4096)", options->connections)
      .option("--memory-mb", "N", "memory for clients' buffers (512)", options->memory_mb)
      .option("--segment-mb", "N", "size of the log's files (256)", options->segment_mb)
      .run([options](Desk&) { return serve(*options); });
  return command;
}

}  // namespace

Commands kv_commands() { return {kv_serve()}; }

}  // namespace mcloud::cli
