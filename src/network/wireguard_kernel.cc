#include <linux/netlink.h>

#include "network/netns.h"
#include "network/wireguard_backend.h"
#include "network/wireguard_links.h"
#include "network/wireguard_netlink.h"

namespace mcloud::network {
namespace {

class KernelWireGuard final : public WireGuardBackend {
 public:
  bool is_kernel() const override { return true; }
  std::string link_kind() const override { return "wireguard"; }

  Status create(const DeviceSpot& spot, const io::Fd& netns) override {
    WireGuardLinks links = TRY(WireGuardLinks::open());
    return links.add_kernel_device(spot.name, netns.get());
  }

  Status wait_ready(const DeviceSpot&, uint16_t) override { return {}; }

  Status configure(const DeviceSpot& spot, const io::Fd& netns, const ConfigChange& change) override {
    NetnsScope scope = TRY(NetnsScope::enter(netns));
    NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_GENERIC));
    uint16_t number = TRY(family(socket));
    for (NetlinkMessage& message : TRY(set_device_messages(number, spot.name, change))) {
      TRY(socket.request(std::move(message)));
    }
    return {};
  }

  Result<ConfigState> config(const DeviceSpot& spot, const io::Fd& netns) override {
    NetnsScope scope = TRY(NetnsScope::enter(netns));
    NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_GENERIC));
    uint16_t number = TRY(family(socket));
    ConfigState out;
    for (const NetlinkReply& reply : TRY(socket.ask(get_device_message(number, spot.name)))) {
      TRY(merge_device_answer(reply.payload, out));
    }
    out.sort();
    return out;
  }

  Status clean(const DeviceSpot&) override { return {}; }
  void sweep() override {}
  bool is_alive(const DeviceSpot&) override { return true; }

 private:
  // The number is the kernel's, for all namespaces, until it is booted anew.
  Result<uint16_t> family(NetlinkSocket& socket) {
    if (family_ != 0) return family_;
    std::vector<NetlinkReply> replies = TRY(socket.ask(get_family_message()));
    if (replies.empty()) return make_error(Code::Unsupported, "this kernel does not speak of WireGuard");
    family_ = TRY(family_of_answer(replies.front().payload));
    return family_;
  }

  uint16_t family_ = 0;
};

}  // namespace

Result<std::unique_ptr<WireGuardBackend>> open_kernel_wireguard() {
  // In a namespace that vanishes with the attempt; asking loads the module where there is one.
  io::Fd scratch = TRY(create_netns());
  NetnsScope scope = TRY(NetnsScope::enter(scratch));
  WireGuardLinks links = TRY(WireGuardLinks::open());
  auto made = links.add_kernel_device("mwgprobe", scratch.get());
  if (!made.has_value()) return make_error(Code::Unsupported, made.error().message);
  return std::unique_ptr<WireGuardBackend>(new KernelWireGuard());
}

}  // namespace mcloud::network
