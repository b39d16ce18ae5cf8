#include "bot/webhook.h"

#include <doctest/doctest.h>

#include <vector>

using namespace mcloud;
using namespace mcloud::bot;

TEST_CASE("a delivery is signed as RFC 4231's second case says") {
  CHECK_EQ(webhook_signature("Jefe", "what do ya want for nothing?"),
           "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("a receiver that is not there is asked again, ever less often, until nobody waits any more") {
  std::vector<uint64_t> waits;
  size_t troubles = 0;
  auto hook = Webhook::make("http://127.0.0.1:1/hook?key=1", "", [&](uint64_t ms) -> Status {
    waits.push_back(ms);
    if (waits.size() == 9) return make_error(Code::Cancelled, "enough");
    return {};
  }).value();
  CHECK_EQ(hook->deliver("id", "submit", "{}", [&](const Error&) { troubles++; }).error().code, Code::Cancelled);
  CHECK_EQ(waits, std::vector<uint64_t>{1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000});
  CHECK_EQ(troubles, 9);
}

TEST_CASE("what is no URL of the web is refused when the webhook is made") {
  for (const char* bad : {"", "hook", "ftp://host/hook", "http://", "http://host:99999/", "http://a b/", "https://host/#part"})
    CHECK_MESSAGE(Webhook::make(bad, "", nullptr).error().code == Code::Invalid, bad);
}
