#include <doctest/doctest.h>

#include "runtime/health.h"
#include "runtime/probe_answer.h"
#include "runtime/restart.h"

using namespace mcloud;
using namespace mcloud::runtime;

TEST_CASE("a starting container is asked often at first and then at the interval") {
  Health health({.interval_ms = 1000, .start_period_ms = 60'000}, 500);
  CHECK_EQ(health.next_probe_ms(), 500);
  uint64_t now = 500;
  for (uint64_t pause : {25, 50, 100, 200, 400, 800, 1000, 1000}) {
    CHECK_FALSE(health.report(now, false));
    CHECK_EQ(health.next_probe_ms(), now + pause);
    now = health.next_probe_ms();
  }
  CHECK_EQ(health.state(), HealthState::Starting);
  CHECK(health.report(now, true));
  CHECK_EQ(health.state(), HealthState::Healthy);
  CHECK_EQ(health.since_ms(), now);
  CHECK_EQ(health.next_probe_ms(), now + 1000);
}

TEST_CASE("a container that never answers is unhealthy after its start period and its retries") {
  Health health({.interval_ms = 1000, .start_period_ms = 5'000, .retries = 3}, 0);
  uint64_t now = 0;
  while (!health.report(now, false)) now = health.next_probe_ms();
  CHECK_EQ(health.state(), HealthState::Unhealthy);
  CHECK(now >= 7'000);
  CHECK(now <= 8'000);
  CHECK(health.report(now + 1, true));
  CHECK_EQ(health.state(), HealthState::Healthy);
}

TEST_CASE("a healthy container becomes unhealthy by failures in a row only") {
  Health health({.interval_ms = 1000, .retries = 3}, 0);
  health.report(10, true);
  for (uint64_t now = 1000; now < 10'000; now += 3000) {
    CHECK_FALSE(health.report(now, false));
    CHECK_FALSE(health.report(now + 1000, false));
    CHECK_FALSE(health.report(now + 2000, true));
  }
  health.report(20'000, false);
  health.report(21'000, false);
  CHECK(health.report(22'000, false));
  CHECK_EQ(health.state(), HealthState::Unhealthy);
  CHECK_EQ(health.failures(), 3);
  CHECK_EQ(std::string(health_name(health.state())), "unhealthy");
}

TEST_CASE("restarts back off, double and stop at their bound") {
  Restarts restarts({RestartWhen::Always, 500, 3000, 0});
  uint64_t expected[] = {500, 1000, 2000, 3000, 3000, 3000};
  for (uint64_t pause : expected) {
    RestartDecision decision = restarts.ended(10'000, 1, 0);
    CHECK_EQ(decision.action, RestartDecision::Action::Restart);
    CHECK_EQ(decision.at_ms, 10'000 + pause);
  }
  // 60 s of health forgive.
  CHECK_EQ(restarts.ended(0, 1, 60'000).at_ms, 500);
}

TEST_CASE("a container that fails too often cannot run") {
  Restarts restarts({RestartWhen::OnFailure, 100, 1000, 3});
  CHECK_EQ(restarts.ended(0, 137, 0).action, RestartDecision::Action::Restart);
  CHECK_EQ(restarts.ended(0, 137, 59'999).action, RestartDecision::Action::Restart);
  CHECK_EQ(restarts.ended(0, 137, 0).action, RestartDecision::Action::CannotRun);
}

TEST_CASE("what ended well is restarted only when the policy says always") {
  CHECK_EQ(Restarts({RestartWhen::Always}).ended(0, 0, 0).action, RestartDecision::Action::Restart);
  CHECK_EQ(Restarts({RestartWhen::OnFailure}).ended(0, 0, 0).action, RestartDecision::Action::Finished);
  CHECK_EQ(Restarts({RestartWhen::Never}).ended(0, 1, 0).action, RestartDecision::Action::Finished);
  Restarts restarts({.when = RestartWhen::Always, .tries_max = 1});
  for (int i = 0; i < 10; ++i) CHECK_EQ(restarts.ended(0, 0, 0).action, RestartDecision::Action::Restart);
}

TEST_CASE("only an HTTP status line is an HTTP status") {
  CHECK_EQ(parse_http_status("HTTP/1.1 200 OK\r\n").value(), 200);
  CHECK_EQ(parse_http_status("HTTP/1.0 404").value(), 404);
  for (const char* text : {"", "HTTP/1.1 ", "HTTP/1.1 2x0 OK", "SSH-2.0-OpenSSH", "HTTP/2 200 OK....", "HTTP/1.1  200"}) {
    CHECK_FALSE(parse_http_status(text).has_value());
  }
}
