// The two ends of the tunnel without a cluster, for bench/network/tunnel.py and its tests. Keys come from numbers.
//   network_tunnel gateway NUMBER PORT FOLDER NODES   serves FOLDER/targets; node i brings target w<i>
//   network_tunnel node NUMBER FOLDER CONNECTIONS     as `mcloud node tunnel`
//   network_tunnel wanted NUMBER FOLDER BACKEND_PORT GATEWAY=ENDPOINT[,ENDPOINT]...   writes FOLDER/wanted of that node
//   network_tunnel socket NUMBER                      name of w<NUMBER>'s socket
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gateway/tunnel/tunnel_client.h"
#include "gateway/tunnel/tunnel_server.h"
#include "io/file.h"
#include "wire/canonical.h"

using namespace mcloud;

namespace {

crypto::SigningKey key_of(char kind, int number) {
  Bytes seed(32, kind);
  seed[0] = static_cast<char>(number);
  return crypto::SigningKey::from_seed(seed).value();
}

pb::LocalTunnelTarget target_of(int number) {
  pb::LocalTunnelTarget target;
  target.set_contract(Bytes(32, '\x11'));
  target.set_workload("w" + std::to_string(number));
  target.set_port(80);
  return target;
}

int fail(const Error& error) {
  fprintf(stderr, "network_tunnel: %s\n", error.message.c_str());
  return 1;
}

int serve(int number, int port, const std::string& folder, int nodes) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto key = key_of('G', number);
  gateway::TunnelServer::Options options;
  options.port = static_cast<uint16_t>(port);
  options.targets_folder = folder + "/targets";
  auto server = gateway::TunnelServer::start(options, key);
  if (!server) return fail(server.error());
  std::vector<pb::LocalTunnelPeer> peers;
  for (int i = 0; i < nodes; ++i) {
    peers.emplace_back().set_node(key_of('N', i).public_key().bytes());
    *peers.back().add_targets() = target_of(i);
  }
  (*server)->set_peers(peers);
  printf("ready %u\n", (*server)->port());
  fflush(stdout);
  for (int came = 0; sigwait(&signals, &came) == 0 && came == SIGUSR1;) {
    for (const pb::TunnelLink& link : (*server)->links())
      printf("link %d %llu %llu %llu %s\n", link.is_up(), static_cast<unsigned long long>(link.streams()),
             static_cast<unsigned long long>(link.bytes_in()), static_cast<unsigned long long>(link.rtt_us()),
             link.message().c_str());
    fflush(stdout);
  }
  return 0;
}

int write_wanted(int number, const std::string& folder, int back_end, int count, char** gateways) {
  pb::LocalTunnel wanted;
  for (int i = 0; i < count; ++i) {
    std::string text = gateways[i];
    size_t equal = text.find('=');
    pb::LocalTunnelGateway& gateway = *wanted.add_gateways();
    gateway.set_node(key_of('G', atoi(text.c_str())).public_key().bytes());
    for (size_t begin = equal + 1; begin <= text.size();) {
      size_t end = std::min(text.find(',', begin), text.size());
      gateway.add_endpoints(text.substr(begin, end - begin));
      begin = end + 1;
    }
    pb::LocalTunnelWay& way = *gateway.add_ways();
    *way.mutable_target() = target_of(number);
    way.set_address("127.0.0.1");
    way.set_port(static_cast<uint32_t>(back_end));
  }
  Status written = io::write_file(folder + "/wanted", wire::encode(wanted), io::Durability::None, 0600);
  return written ? 0 : fail(written.error());
}

}  // namespace

int main(int count, char** arguments) {
  std::string what = count > 2 ? arguments[1] : "";
  int number = count > 2 ? atoi(arguments[2]) : 0;
  if (what == "gateway" && count == 6) return serve(number, atoi(arguments[3]), arguments[4], atoi(arguments[5]));
  if (what == "node" && count == 5) {
    auto key = key_of('N', number);
    Status ran = gateway::run_tunnel({.folder = arguments[3], .connections = atoi(arguments[4])}, key);
    return ran ? 0 : fail(ran.error());
  }
  if (what == "wanted" && count > 5)
    return write_wanted(number, arguments[3], atoi(arguments[4]), count - 5, arguments + 5);
  if (what == "socket" && count == 3) {
    printf("%s\n", gateway::target_socket_name(target_of(number)).c_str());
    return 0;
  }
  fprintf(stderr, "network_tunnel gateway|node|wanted|socket NUMBER ...\n");
  return 2;
}
