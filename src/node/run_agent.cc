// The agent with its real ports.
#include <unistd.h>

#include "base/log.h"
#include "flist/images_by_kind.h"
#include "flist/lazy_images.h"
#include "io/clock.h"
#include "io/file.h"
#include "network/links.h"
#include "network/machine.h"
#include "node/agent.h"
#include "node/builtin_image.h"
#include "node/container_adapter.h"
#include "node/identity.h"
#include "node/kv_adapter.h"
#include "node/log_shipper.h"
#include "node/names_adapter.h"
#include "node/network_adapter.h"
#include "node/own_addresses.h"
#include "node/volume_adapter.h"
#include "runtime/container.h"

namespace mcloud::node {
namespace {

constexpr const char* kNetnsFolder = "/run/netns";

Result<std::unique_ptr<ledger::Client>> open_client(const Config& config, const std::string& name, const Clock& clock) {
  // Each its own file: they are of different threads, and each alone must never go back.
  ledger::Client::Options options{.endpoints = config.ledger, .trust = config.trust,
                                  .state_file = config.agent_folder() + "/height-" + name, .timeout_ms = 5'000};
  return ledger::Client::open(options, clock);
}

struct Ports {
  std::unique_ptr<runtime::Runtime> runtime;
  std::unique_ptr<image::Images> images;
  std::unique_ptr<network::Machine> machine;
  std::unique_ptr<network::MeshMachine> mesh_machine;
  std::unique_ptr<MeshKeeper> mesh;
  std::unique_ptr<OwnAddresses> addresses;
  std::unique_ptr<BuiltinImage> builtin;
  std::unique_ptr<ContainerAdapter> containers;
  std::unique_ptr<KvAdapter> members;
  std::unique_ptr<VolumeAdapter> volumes;
  std::unique_ptr<NetworkAdapter> networks;
  std::unique_ptr<NamesAdapter> names;
  std::unique_ptr<GatewayAdapter> gateways;
  std::unique_ptr<sink::Pusher> pusher;
  std::unique_ptr<LogShipper> shipper;
};

Status open_machine(const Config& config, Ports& ports) {
  runtime::RuntimeOptions runtime{.folder = config.runtime_folder + "/containers", .cgroup_parent = config.cgroup + "/containers"};
  TRY(io::make_folders(runtime.folder, 0711));
  ports.runtime = TRY(runtime::Runtime::open(runtime));
  std::string images = config.data_folder + "/images";
  // The lazy file system is processes of its own: they serve on while an agent restarts, and end with the node.
  image::MountOptions mount{.folder = config.runtime_folder + "/images", .cache_folder = images + "/cache",
                            .cache_bytes_max = image_cache_bytes(config)};
  auto lazy = TRY(flist::open_lazy_images(flist::lazy_images_options(images, mount)));
  ports.images = flist::images_by_kind(TRY(image::open_unpacked_images({.folder = images})), std::move(lazy));
  ports.machine = TRY(network::Machine::open({.netns_folder = kNetnsFolder}));
  ports.builtin = TRY(BuiltinImage::open(config.data_folder + "/builtin"));
  ContainerAdapter::Options containers{.chain_id = config.trust.chain_id, .disk_folder = config.data_folder + "/containers",
                                       .record_folder = config.runtime_folder + "/records",
                                       .volume_folder = config.data_folder + "/volumes",
                                       .control_folder = config.runtime_folder + "/control",
                                       .netns_folder = kNetnsFolder};
  ports.containers = TRY(ContainerAdapter::open(*ports.runtime, *ports.images, *ports.builtin, containers));
  ports.members = std::make_unique<KvAdapter>(containers.control_folder);
  ports.volumes = TRY(VolumeAdapter::open(config.data_folder + "/volumes"));
  return ports.runtime->sweep();
}

Result<std::vector<network::LinkAddress>> read_addresses() {
  network::Links links = TRY(network::Links::open());
  return links.addresses();
}

// A node that cannot encrypt runs what needs no encryption.
Status open_mesh(const Config& config, const Clock& clock, Ports& ports) {
  auto machine = network::MeshMachine::open({.netns_folder = kNetnsFolder});
  if (!machine.has_value()) {
    log::warning("node", "no encrypted networks here", {{"reason", machine.error().message}});
    return {};
  }
  ports.mesh_machine = std::move(*machine);
  MeshKeeper::Options options{.key_file = config.network_folder() + "/keys", .mesh_secret = config.mesh_secret,
                              .needs_relay_key = needs_relay_key(config.addresses),
                              .underlay_mtu = config.underlay_mtu,
                              .ask_file = config.runtime_folder + "/rotate-keys"};
  ports.mesh = TRY(MeshKeeper::open(*ports.mesh_machine, clock, options));
  return {};
}

Status open_networks(const Config& config, const Clock& clock, Ports& ports) {
  TRY(open_mesh(config, clock, ports));
  TRY(io::make_folders(config.network_folder(), 0700));
  ports.addresses = std::make_unique<OwnAddresses>(config.addresses, config.uplink_interface, [] { return read_addresses(); },
                                                   config.network_folder() + "/addresses");
  ports.addresses->look();
  auto backplane = [addresses = ports.addresses.get()] { return addresses->now().backplane(); };
  NetworkAdapter::Options networks{.folder = config.runtime_folder + "/networks", .backplane = backplane,
                                   .uplink = config.uplink_interface, .underlay_mtu = config.underlay_mtu,
                                   .forbidden = config.forbidden, .forbidden_services = forbidden_services(config),
                                   .bridges = config.bridges, .netns_folder = kNetnsFolder};
  ports.networks = TRY(NetworkAdapter::open(*ports.machine, ports.mesh.get(), clock, networks));
  auto transits = [networks = ports.networks.get()] { return networks->transits(); };
  ports.names = std::make_unique<NamesAdapter>(NamesAdapter::Options{.upstreams = config.resolvers}, transits);
  ports.gateways = TRY(GatewayAdapter::open({config.gateway_folder(), config.tunnel_folder()}, transits));
  return {};
}

Status open_sink(const Config& config, const crypto::SigningKey& key, const Clock& clock, Ports& ports) {
  if (config.sink.empty()) return {};
  ports.pusher = TRY(sink::Pusher::open({.endpoint = config.sink, .chain_id = config.trust.chain_id}, key, clock));
  LogShipper::Options options{.disk_folder = config.data_folder + "/containers",
                              .position_file = config.runtime_folder + "/log-positions", .data_folder = config.data_folder};
  ports.shipper = std::make_unique<LogShipper>(*ports.pusher, *ports.containers, clock, options);
  return {};
}

}  // namespace

Status run_agent(const Config& config) {
  io::SystemClock clock;
  TRY(io::make_folders(config.agent_folder(), 0700));
  TRY(io::make_folders(config.runtime_folder, 0711));
  // Two agents on one node would each undo the other's work.
  io::Fd lock = TRY(io::lock_file(config.runtime_folder + "/agent.lock").with_context("another agent is running"));
  crypto::SigningKey key = TRY(load_or_create_key(config.key_file()));
  Ports ports;
  TRY(open_machine(config, ports));
  TRY(open_networks(config, clock, ports));
  TRY(open_sink(config, key, clock, ports));
  auto follow = TRY(open_client(config, "follow", clock));
  auto read = TRY(open_client(config, "read", clock));
  auto submit = TRY(open_client(config, "submit", clock));
  Agent::Options options{.data_folder = config.agent_folder(), .liveness_file = config.liveness_file(),
                         .capacity = TRY(offered_capacity(config)), .addresses = config.addresses};
  options.join = [&]() -> Status {
    auto record = ensure_admitted(config, *submit, key);
    if (!record.has_value()) return record.error();
    return {};
  };
  options.where = [&] { return ports.addresses->look(); };
  if (ports.mesh != nullptr) options.keys = [&] { return ports.mesh->published(); };
  AgentPorts agent_ports{.containers = *ports.containers, .volumes = *ports.volumes, .networks = *ports.networks,
                         .members = ports.members.get(), .names = ports.names.get(), .gateways = ports.gateways.get(),
                         .telemetry = ports.shipper.get(), .follow = *follow, .read = *read, .submit = *submit, .clock = clock};
  auto agent = TRY(Agent::open(agent_ports, key, options));
  agent->stop_on_signals();
  agent->run();
  log::info("node", "agent ends; workloads run on");
  // Destructors would wait for jobs that may hang. Everything we keep is whole at any moment, and the
  // next agent finds the rest by looking.
  ::_exit(0);
}

}  // namespace mcloud::node
