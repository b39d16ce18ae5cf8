#include "node/work.h"

namespace mcloud::node {
namespace {

JobOutcome measure(const AgentPorts& ports, const Job& job) {
  Result<DiskUsage> usage =
      job.container.empty() ? ports.volumes.usage(job.replica) : ports.containers.disk_usage(job.container);
  if (!usage.has_value()) return {.status = usage.error(), .networks = {}};
  return {.status = {}, .networks = {}, .usage = *usage};
}

JobOutcome ask_member(const AgentPorts& ports, const Job& job) {
  if (ports.members == nullptr) return {.status = make_error(Code::Unsupported, "no replica sets here"), .networks = {}};
  Result<GroupStatus> answer = ports.members->ask(job.container, job.group);
  if (!answer.has_value()) return {.status = answer.error(), .networks = {}};
  return {.status = {}, .networks = {}, .group = *answer};
}

JobOutcome look_at_gateway(const AgentPorts& ports) {
  if (ports.gateways == nullptr) return {.status = make_error(Code::Unsupported, "no gateway here"), .networks = {}};
  Result<pb::GatewayState> state = ports.gateways->gateway_state();
  if (!state.has_value()) return {.status = state.error(), .networks = {}};
  return {.status = {}, .networks = {}, .gateway = std::move(*state)};
}

Status set_names(const AgentPorts& ports, const Job& job) {
  return ports.names == nullptr ? Status() : ports.names->set(job.names);
}

Status want_gateways(const AgentPorts& ports, const Job& job) {
  return ports.gateways == nullptr ? Status() : ports.gateways->want(job.gateway, job.tunnel);
}

}  // namespace

JobOutcome execute(const AgentPorts& ports, const Job& job) {
  switch (job.kind) {
    case JobKind::Adopt:
      return {.status = ports.containers.adopt(job.container, job.epoch, job.version), .networks = {}};
    case JobKind::Stop: return {.status = ports.containers.stop(job.container, job.grace_ms), .networks = {}};
    case JobKind::ChangeNetworks: return {.status = {}, .networks = ports.networks.apply(job.networks)};
    case JobKind::EraseVolume: return {.status = ports.volumes.erase(job.replica), .networks = {}};
    case JobKind::EnsureVolume: return {.status = ports.volumes.ensure(job.replica, job.size_bytes), .networks = {}};
    case JobKind::PrepareImage: return {.status = ports.containers.prepare_image(*job.task), .networks = {}};
    case JobKind::Start: return {.status = ports.containers.start(*job.task, job.restarts), .networks = {}};
    case JobKind::Probe: return {.status = ports.containers.probe(*job.task), .networks = {}};
    case JobKind::DropDisk: return {.status = ports.containers.drop_disk(job.container), .networks = {}};
    case JobKind::Measure: return measure(ports, job);
    case JobKind::AskMember: return ask_member(ports, job);
    case JobKind::SetNames: return {.status = set_names(ports, job), .networks = {}};
    case JobKind::SetGateways: return {.status = want_gateways(ports, job), .networks = {}};
    case JobKind::LookAtGateway: return look_at_gateway(ports);
    case JobKind::TendNetworks: return {.status = ports.networks.tend(), .networks = {}};
  }
  return {.status = make_error(Code::Internal, "an unknown job"), .networks = {}};
}

std::string_view job_name(JobKind kind) {
  switch (kind) {
    case JobKind::Adopt: return "adopt epoch";
    case JobKind::Stop: return "stop";
    case JobKind::ChangeNetworks: return "change networks";
    case JobKind::EraseVolume: return "erase volume";
    case JobKind::EnsureVolume: return "ensure volume";
    case JobKind::PrepareImage: return "prepare image";
    case JobKind::Start: return "start";
    case JobKind::Probe: return "probe";
    case JobKind::DropDisk: return "drop disk";
    case JobKind::Measure: return "measure disk";
    case JobKind::AskMember: return "ask member";
    case JobKind::SetNames: return "set names";
    case JobKind::SetGateways: return "set gateways";
    case JobKind::LookAtGateway: return "look at gateway";
    case JobKind::TendNetworks: return "tend networks";
  }
  return "job";
}

}  // namespace mcloud::node
