#include "node/real_agent.h"

#include "base/log.h"
#include "io/file.h"

namespace mcloud::node {

Status RealAgent::look() {
  Reconciler::Found found;
  found.containers = TRY(ports_.containers.list().with_context("look at containers"));
  found.volumes = TRY(ports_.volumes.list().with_context("look at volumes"));
  found.networks = TRY(ports_.networks.list().with_context("look at networks"));
  found.disks = TRY(ports_.containers.disks().with_context("look at disks"));
  log::info("node", "agent begins",
            {{"node", key_.public_key().hex()},
             {"containers", std::to_string(found.containers.size())},
             {"volumes", std::to_string(found.volumes.size())}});
  reconciler_.found(found, ports_.read.trust().chain_id);
  pb::LocalLiveness last = liveness_.read();
  fence_after_ms_ = last.fence_after_ms();
  reconciler_.set_contact(last.last_contact_ms(), last.fence_after_ms());
  recall();
  return {};
}

// Until the ledger speaks: what runs is looked after as it was, nothing else.
void RealAgent::recall() {
  auto view = reader_.recall();
  if (!view.has_value()) return;
  Orders orders = build_orders(*view);
  orders.is_remembered = true;
  give_user_ids(orders, ranges_);
  // What came after the memory was written is not ours to judge.
  for (const auto& running : reconciler_.running()) {
    if (!orders.containers.contains(running.replica)) orders.desired.unverified.insert(running.replica);
  }
  reconciler_.set_orders(std::move(orders), now());
}

void RealAgent::run() {
  loop_.post([this] {
    follow();
    read();
    exits_.begin();
    push_telemetry();
    look_where();
    house_.begin();
    pump();
  });
  loop_.run();
}

void RealAgent::stop() { loop_.stop(); }

void RealAgent::stop_on_signals() { loop_.stop_on_signals(); }

size_t RealAgent::jobs_max(const Reconciler::Limits& limits) {
  return limits.start_jobs + limits.stop_jobs + limits.image_jobs + limits.probes + limits.measures + limits.asks +
         5;  // networks, names, gateways and a look at them, a look at addresses
}

uint64_t RealAgent::now() const { return ports_.clock.monotonic_ms(); }

Result<std::unique_ptr<Agent>> Agent::open(const AgentPorts& ports, const crypto::SigningKey& key, Options options) {
  TRY(io::make_folders(options.data_folder + "/evidence", 0700));
  UserRanges ranges = TRY(UserRanges::open(options.data_folder + "/user-ranges"));
  auto agent = std::make_unique<RealAgent>(ports, key, std::move(options), std::move(ranges));
  TRY(agent->look());
  return agent;
}

}  // namespace mcloud::node
