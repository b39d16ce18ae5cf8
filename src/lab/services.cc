#include "lab/services.h"

#include <sys/epoll.h>

#include <algorithm>

#include "base/log.h"
#include "io/clock.h"
#include "lab/logs.h"

namespace mcloud::lab {
namespace {

constexpr uint64_t kDelayMinMs = 200;
constexpr uint64_t kDelayMaxMs = 5'000;
constexpr uint64_t kStableMs = 10'000;  // after a run this long the back-off begins anew

}  // namespace

Services::~Services() {
  for (auto& service : all_) {
    if (service->child != nullptr) poller_.remove(service->child->pidfd());
  }
}

Status Services::add(const ServiceSpec& spec) {
  auto service = std::make_unique<Running>();
  service->spec = spec;
  TRY(start(*service));
  all_.push_back(std::move(service));
  return {};
}

Status Services::start(Running& service) {
  io::Fd log = TRY(open_log(folders_, service.spec.name));
  io::Command command;
  command.arguments = service.spec.command;
  command.environment = service.spec.environment;
  service.child = TRY(io::Child::start(command, {.output = log.get(), .errors = log.get(), .new_session = true})
                          .with_context("service " + service.spec.name));
  service.started_ms = io::SystemClock().monotonic_ms();
  TRY(poller_.add(service.child->pidfd(), EPOLLIN, [this, &service](uint32_t) { ended(service); }));
  started_(service);
  return {};
}

void Services::ended(Running& service) {
  poller_.remove(service.child->pidfd());
  auto code = service.child->wait(0);
  service.exit_code = code.has_value() && code->has_value() ? **code : -1;
  service.child.reset();
  bool was_stable = io::SystemClock().monotonic_ms() - service.started_ms >= kStableMs;
  service.delay_ms = was_stable ? kDelayMinMs : std::clamp(service.delay_ms * 2, kDelayMinMs, kDelayMaxMs);
  log::warning("lab", "a service ended", {{"service", service.spec.name}, {"exit", std::to_string(service.exit_code)}});
  again(service);
}

void Services::again(Running& service) {
  poller_.after(service.delay_ms, [this, &service] {
    ++service.restarts;
    Status started = start(service);
    if (started.has_value()) return;
    log::error("lab", "cannot start a service", {{"reason", started.error().message}});
    service.delay_ms = kDelayMaxMs;
    again(service);
  });
}

}  // namespace mcloud::lab
