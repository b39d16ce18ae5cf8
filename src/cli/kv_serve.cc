// mcloud kv serve
#include <cstdio>

#include "base/log.h"
#include "cli/desk.h"
#include "cli/kv.h"
#include "cli/kv_options.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/file.h"
#include "io/loop.h"

namespace mcloud::cli {
namespace {

constexpr size_t kConfigBytesMax = 64 << 10;
const std::string kNotGiven("\0", 1);  // no argument has this byte

// What stood on the command line, by row of the table.
struct Given {
  Given() : texts(serve_options().size(), kNotGiven), flags(new bool[serve_options().size()]()) {}
  std::string config;
  std::vector<std::string> texts;
  std::unique_ptr<bool[]> flags;
};

Result<ServeOptions> options_of(const Given& given) {
  ServeOptions options;
  if (!given.config.empty()) {
    Bytes text = TRY(io::read_file(given.config, kConfigBytesMax));
    TRY(read_config(options, given.config, text));
  }
  for (size_t i = 0; i < given.texts.size(); i++) {
    const ServeOption& option = serve_options()[i];
    std::string flag = "--" + std::string(option.name);
    if (given.flags[i]) TRY(set_option(options, option, "true", flag));
    if (given.texts[i] != kNotGiven) TRY(set_option(options, option, given.texts[i], flag));
  }
  return options;
}

// Lines that people read and scripts parse: ports that were chosen are here.
void say_where(const ServeOptions& options, const kv::Server& server) {
  std::string where;
  auto add = [&where](const std::string& place) { where += (where.empty() ? "" : " and ") + place; };
  if (server.port() != 0) add(options.listen + " port " + std::to_string(server.port()));
  if (server.tls_port() != 0) add(options.listen + " TLS port " + std::to_string(server.tls_port()));
  if (!options.socket.empty()) add(options.socket);
  std::printf("kv listens on %s (dialect %s, durability of new namespaces %s, data %s)\n", where.c_str(),
              options.dialect.c_str(), options.durability.c_str(), options.data.c_str());
  if (server.metrics_port() != 0)
    std::printf("kv metrics on http://%s/metrics\n",
                (options.metrics_listen.substr(0, options.metrics_listen.rfind(':') + 1) +
                 std::to_string(server.metrics_port())).c_str());
  std::fflush(stdout);
}

void reload_tls(kv::Server& server) {
  Status reloaded = server.reload_tls();
  if (reloaded)
    log::info("kv", "the TLS files are read again");
  else
    log::error("kv", "the TLS files stay as they were", {{"reason", reloaded.error().message}});
}

Status serve(const Given& given) {
  ServeOptions options = TRY(options_of(given));
  kv::ServerOptions wanted = TRY(server_options(options));
  io::SystemDisk disk;
  io::SystemClock clock;
  io::SystemRandom random;
  io::Loop signals;
  signals.stop_on_signals();
  kv::Store::Options store_options{.folder = options.data,
                                   .segment_bytes = options.segment_mb << 20,
                                   .defaults = wanted.service.defaults};
  std::unique_ptr<kv::Store> store =
      TRY(kv::Store::open(disk, clock, store_options).with_context("open " + options.data));
  std::unique_ptr<kv::Server> server = TRY(kv::Server::start(*store, disk, clock, random, wanted));
  // Without TLS a terminal that closes ends the server, as any program in the foreground.
  if (!wanted.tls.certificate.empty()) signals.on_hangup([&server] { reload_tls(*server); });
  say_where(options, *server);
  signals.run();
  server->stop();
  server.reset();
  return store->close();
}

}  // namespace

Command kv_serve_command() {
  auto given = std::make_shared<Given>();
  Command command("kv serve", "serve a key-value store to 0-db and Redis clients");
  command.example("mcloud kv serve --data /var/lib/mcloud/kv --dialect redis --port 6379")
      .example("mcloud kv serve --config /etc/mcloud/kv.yaml")
      .describe(
          "Needs no cluster. Speaks 0-db, and Redis with connections that begin with HELLO or with --dialect redis.\n"
          "Ends on SIGTERM or Ctrl-C with everything on the disk. Durability of a namespace that is there changes\n"
          "with NSSET or CONFIG SET, not with these options. SIGHUP reads the TLS files again.")
      .option("--config", "FILE", "YAML file with the names below as keys; options here win over it", given->config);
  for (size_t i = 0; i < serve_options().size(); i++) {
    const ServeOption& option = serve_options()[i];
    std::string flag = "--" + std::string(option.name);
    if (option.value.empty())
      command.flag(flag, std::string(option.help), given->flags[i]);
    else
      command.option(flag, std::string(option.value), std::string(option.help), given->texts[i]);
  }
  return command.run([given](Desk&) { return serve(*given); });
}

}  // namespace mcloud::cli
