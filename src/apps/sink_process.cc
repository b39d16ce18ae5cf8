// mcloud sink serve
#include "apps/processes.h"
#include "cli/desk.h"
#include "io/file.h"
#include "sink/server.h"

namespace mcloud::apps {
namespace {

using cli::Command;
using cli::Desk;

struct Options {
  std::string data, host = "127.0.0.1";
  uint64_t port = 7200;
};

Status serve(const cli::Globals& globals, const Options& options) {
  if (globals.ledger.empty() || globals.trust.empty())
    return make_error(Code::Invalid, "the sink needs --ledger URL and --trust FILE");
  if (options.port > 65535) return make_error(Code::Invalid, "--port is at most 65535");
  sink::ProcessOptions wanted;
  std::string trust = TRY(io::read_file(globals.trust, 1 << 20));
  wanted.trust = TRY(ledger::Trust::parse(trust));
  wanted.ledger = {globals.ledger};
  wanted.server.host = options.host;
  wanted.server.port = static_cast<uint16_t>(options.port);
  wanted.server.folder = options.data;
  wanted.server.chain_id = wanted.trust.chain_id;
  return sink::run_sink(wanted);
}

Command sink_serve() {
  auto options = std::make_shared<Options>();
  Command command("sink serve", "take logs and metrics from nodes, give them to their owners");
  command.hidden()
      .example("mcloud sink serve --data /var/lib/mcloud/sink --ledger http://127.0.0.1:7100 --trust trust.json")
      .required_option("--data", "DIR", "its data folder", options->data)
      .option("--host", "ADDRESS", "address to listen on (127.0.0.1)", options->host)
      .option("--port", "N", "port to listen on (7200)", options->port)
      .run([options](Desk& desk) { return serve(desk.globals(), *options); });
  return command;
}

}  // namespace

cli::Commands sink_commands() { return {sink_serve()}; }

}  // namespace mcloud::apps
