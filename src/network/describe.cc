// Steps in words.
#include "network/plan.h"

namespace mcloud::network {
namespace {

std::string network(uint32_t vni) { return "network " + std::to_string(vni); }

struct Describe {
  std::string operator()(const EnableForwarding&) const { return "enable IPv4 forwarding"; }
  std::string operator()(const EnableForwarding6&) const { return "enable IPv6 forwarding"; }
  std::string operator()(const SetNodeFirewall&) const { return "set the node's rules"; }
  std::string operator()(const RemoveNodeFirewall&) const { return "remove the node's rules"; }
  std::string operator()(const SetMeshFirewall&) const { return "set the mesh's rules"; }
  std::string operator()(const RemoveMeshFirewall&) const { return "remove the mesh's rules"; }
  std::string operator()(const ChangeSources& step) const {
    return "hear " + std::to_string(step.added.size()) + " more and " + std::to_string(step.removed.size()) +
           " fewer peers of networks " + (step.underlay == Underlay::Plain ? "on the backplane" : "in the mesh");
  }
  std::string operator()(const CreateNetwork& step) const { return "create " + network(step.shape.vni); }
  std::string operator()(const RemoveNetwork& step) const { return "remove " + network(step.vni); }
  std::string operator()(const RepairUnderlay& step) const {
    return "make the VXLAN device of " + network(step.shape.vni) + " again";
  }
  std::string operator()(const SetNetworkFirewall& step) const { return "set the rules of " + network(step.vni); }
  std::string operator()(const SetPeer& step) const {
    return "add node " + step.node.text() + " to " + network(step.vni);
  }
  std::string operator()(const RemovePeer& step) const {
    return "remove node " + step.node.text() + " from " + network(step.vni);
  }
  std::string operator()(const SetRemote& step) const {
    return "find " + step.remote.address.text() + " of " + network(step.vni) + " on node " + step.remote.node.text();
  }
  std::string operator()(const RemoveRemote& step) const {
    return "forget " + step.address.text() + " of " + network(step.vni);
  }
  std::string operator()(const CreateNetns& step) const { return "create the namespace of " + step.netns; }
  std::string operator()(const RemoveNetns& step) const { return "remove the namespace of " + step.netns; }
  std::string operator()(const SetNetnsFirewall& step) const { return "set the rules of " + step.netns; }
  std::string operator()(const RemoveNetnsFirewall& step) const { return "remove the rules of " + step.netns; }
  std::string operator()(const AttachMember& step) const {
    return "attach " + step.member.address.text() + " (" + step.member.netns + ") to " + network(step.vni);
  }
  std::string operator()(const DetachMember& step) const {
    return "detach " + step.address.text() + " from " + network(step.vni);
  }
  std::string operator()(const ConnectPortal& step) const {
    return "connect portal " + step.shape.netns + " of " + network(step.shape.vni) + " to the node";
  }
  std::string operator()(const DisconnectPortal& step) const {
    return "disconnect the portal with transit " + std::to_string(step.transit);
  }
  std::string operator()(const SetProxied& step) const {
    return "answer for device " + step.device.text() + " at portal " + step.netns;
  }
  std::string operator()(const RemoveProxied& step) const {
    return "no longer answer for device " + step.device.text() + " at portal " + step.netns;
  }
};

}  // namespace

std::string describe(const NetworkStep& step) { return std::visit(Describe(), step); }

}  // namespace mcloud::network
