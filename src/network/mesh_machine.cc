#include "network/mesh_machine.h"

#include <algorithm>

#include "io/file.h"
#include "network/mesh_namespace.h"
#include "network/netns.h"

namespace mcloud::network {
namespace {

bool is_of_mesh(const MeshWish& wish) { return wish.netns == kMeshNetns; }

bool has_own(const MeshNode& self, const std::vector<MeshNode>& relays) {
  return std::any_of(relays.begin(), relays.end(), [&](const MeshNode& relay) { return relay.id == self.id; });
}

RelayRules relay_rules(const std::vector<MeshWish>& wishes, const std::vector<WireGuardDevice>& devices) {
  RelayRules out;
  for (const MeshWish& wish : wishes) out.is_relay = out.is_relay || (is_of_mesh(wish) && has_own(wish.self, wish.relays));
  for (const WireGuardDevice& device : devices) {
    if (device.name != kRelayDevice) out.ports.push_back(device.port);
  }
  std::sort(out.ports.begin(), out.ports.end());
  return out;
}

class RealMeshMachine final : public MeshMachine {
 public:
  RealMeshMachine(std::string netns_folder, std::unique_ptr<WireGuard> wireguard)
      : netns_folder_(std::move(netns_folder)), wireguard_(std::move(wireguard)) {}

  Status prepare() override { return ensure_mesh_namespace(netns_folder_); }
  Result<size_t> apply(const std::vector<MeshWish>& wishes, const std::vector<WireGuardDevice>& others) override;
  Result<std::vector<ActualDevice>> read() override { return wireguard_->read(); }
  bool is_alive() override { return wireguard_->is_alive(); }
  bool is_kernel() const override { return wireguard_->is_kernel(); }

 private:
  std::string netns_folder_;
  std::unique_ptr<WireGuard> wireguard_;
};

Result<size_t> RealMeshMachine::apply(const std::vector<MeshWish>& wishes, const std::vector<WireGuardDevice>& others) {
  std::vector<WireGuardDevice> devices;
  for (const MeshWish& wish : wishes) {
    for (WireGuardDevice& device : plan_mesh(wish)) devices.push_back(std::move(device));
  }
  bool has_mesh = std::any_of(wishes.begin(), wishes.end(), is_of_mesh);
  bool has_relay = std::any_of(devices.begin(), devices.end(),
                               [](const WireGuardDevice& device) { return device.name == kRelayDevice; });
  // Rules stand before what they guard and go after it.
  Status before;
  if (has_mesh) before = prepare();
  if (has_relay && before.has_value()) before = ensure_relay_rules(relay_rules(wishes, devices));
  if (!before.has_value()) return before.error();
  devices.insert(devices.end(), others.begin(), others.end());
  size_t done = TRY(wireguard_->apply(devices));
  if (!has_relay) TRY(remove_relay_rules());
  if (!has_mesh) TRY(remove_mesh_namespace(netns_folder_));
  return done;
}

}  // namespace

Result<std::unique_ptr<MeshMachine>> MeshMachine::open(const WireGuard::Options& options) {
  TRY(io::make_folders(options.netns_folder));
  std::unique_ptr<WireGuard> wireguard = TRY(WireGuard::open(options));
  return std::make_unique<RealMeshMachine>(options.netns_folder, std::move(wireguard));
}

}  // namespace mcloud::network
