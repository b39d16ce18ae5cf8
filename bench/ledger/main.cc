// ledger_bench: transactions a second and commit latency of the ledger's solo engine, beside etcd on the same disk.
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/log.h"
#include "io/file.h"
#include "sides.h"

using namespace mcloud;
using namespace mcloud::bench;

namespace {

void print(const Figures& figures) {
  std::printf("%-28s %10.0f /s   p50 %7.2f ms   p99 %7.2f ms at half load\n", figures.name.c_str(), figures.per_second,
              figures.p50_ms, figures.p99_ms);
  std::printf("    command:    %s\n    durability: %s\n    remark:     %s\n", figures.command.c_str(),
              figures.durability.c_str(), figures.remark.c_str());
}

void print_metric(const char* name, double ours, double peer, const std::string& peer_name, const char* unit) {
  if (peer > 0) {
    std::printf("metric=%s ours=%.2f peer=%.2f peer_name=%s ratio=%.2f unit=%s\n", name, ours, peer, peer_name.c_str(),
                ours / peer, unit);
  } else {
    std::printf("metric=%s ours=%.2f peer=none peer_name=none ratio=none unit=%s\n", name, ours, unit);
  }
}

Status run(const Work& work) {
  Figures ours = TRY(run_ledger(work));
  Result<Figures> peer = run_etcd(work);
  std::printf("\n");
  print(ours);
  if (peer.has_value()) {
    print(*peer);
  } else {
    std::printf("no peer: %s (Debian package etcd-server)\n", peer.error().message.c_str());
    peer = Figures{};
  }
  std::string peer_name = "etcd-single-puts";
  print_metric("ledger_solo_tps", ours.per_second, peer->per_second, peer_name, "tx/s");
  print_metric("ledger_commit_p50_ms", ours.p50_ms, peer->p50_ms, peer_name, "ms");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Transactions a second and commit latency of the ledger, beside etcd");
  Work work;
  std::string parent = "/var/tmp";
  app.add_option("--folder", parent, "where the data folders go: on the disk to be measured")->capture_default_str();
  app.add_option("--identities", work.identities)->capture_default_str();
  app.add_option("--transactions", work.transactions)->capture_default_str();
  app.add_option("--per-request", work.per_request)->capture_default_str();
  app.add_option("--connections", work.connections)->capture_default_str();
  app.add_option("--puts", work.puts, "etcd: puts")->capture_default_str();
  app.add_option("--put-connections", work.put_connections, "etcd: connections")->capture_default_str();
  app.add_option("--etcd", work.etcd, "etcd's program")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  log::set_level(log::Level::Warning);

  work.folder = parent + "/mcloud-ledger-bench-XXXXXX";
  if (::mkdtemp(work.folder.data()) == nullptr) {
    std::fprintf(stderr, "cannot make a folder in %s\n", parent.c_str());
    return 1;
  }
  Status done = run(work);
  Status removed = io::remove_tree(work.folder);
  for (const Status& status : {done, removed}) {
    if (!status.has_value()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  }
  return done.has_value() && removed.has_value() ? 0 : 1;
}
