#include "gateway/domain_proofs.h"

#include <doctest/doctest.h>

namespace mcloud::gateway {
namespace {

const std::string kA(64, 'a');
const std::string kB(64, 'b');
constexpr uint64_t kDay = DomainProofs::kGraceMs;
using Texts = std::vector<std::string>;

// Wall time and monotonic time are one clock here.
struct Watched {
  DomainProofs proofs;
  uint64_t now = 1'000'000;
  Watched() { proofs.want({{"d.example", {kA, kB}}}); }
  bool says(Texts texts) { return proofs.answer("d.example", texts, now, now); }
  bool fails() { return proofs.answer("d.example", make_error(Code::TimedOut, "no answer"), now, now); }
  std::string holder() const { return proofs.holder("d.example", now); }
};

TEST_CASE("a domain is held by the contract that its record names, and by nobody without one") {
  Watched watched;
  CHECK(watched.holder() == "");
  CHECK(!watched.says({"mcloud=" + std::string(64, 'c'), "other"}));
  CHECK(watched.proofs.message("d.example", kA, watched.now) == "waits for TXT _mcloud.d.example \"mcloud=" + kA + "\"");
  CHECK(watched.says({"v=spf1", "mcloud=" + kB}));
  CHECK(watched.holder() == kB);
  CHECK(watched.proofs.message("d.example", kB, watched.now) == "");
}

TEST_CASE("of two contracts in one record the one that has it keeps it") {
  Watched watched;
  watched.says({"mcloud=" + kB});
  CHECK(!watched.says({"mcloud=" + kA, "mcloud=" + kB}));
  CHECK(watched.holder() == kB);
  CHECK(watched.says({"mcloud=" + kA}));
  CHECK(watched.holder() == kA);
}

TEST_CASE("a lost proof holds for a day, with a warning") {
  Watched watched;
  watched.says({"mcloud=" + kA});
  CHECK(!watched.says({}));
  CHECK(watched.holder() == kA);
  CHECK(watched.proofs.message("d.example", kA, watched.now).starts_with("TXT _mcloud.d.example is lost"));
  watched.now += kDay - 1;
  CHECK(watched.holder() == kA);
  watched.now += 1;
  CHECK(watched.holder() == "");
}

TEST_CASE("a name server that fails is not a lost proof until it fails for long") {
  Watched watched;
  watched.says({"mcloud=" + kA});
  watched.now += DomainProofs::kAgainMs;
  CHECK(!watched.fails());
  CHECK(watched.proofs.message("d.example", kA, watched.now) == "");
  watched.now += 2 * DomainProofs::kAgainMs;
  watched.fails();
  CHECK(watched.proofs.message("d.example", kA, watched.now).find("(no answer)") != std::string::npos);
}

TEST_CASE("what is proven is looked at again after ten minutes, what waits after ten seconds, and nothing twice at a time") {
  DomainProofs proofs;
  proofs.want({{"d.example", {kA}}});
  CHECK(proofs.due(0, 9) == Texts{"d.example"});
  CHECK(proofs.due(0, 9).empty());
  proofs.answer("d.example", Texts{}, 0, 0);
  CHECK(proofs.due(DomainProofs::kWaitingMs - 1, 9).empty());
  CHECK(proofs.due(DomainProofs::kWaitingMs, 9).size() == 1);
  proofs.answer("d.example", Texts{"mcloud=" + kA}, 20'000, 20'000);
  CHECK(proofs.due(20'000 + DomainProofs::kAgainMs - 1, 9).empty());
  CHECK(proofs.due(20'000 + DomainProofs::kAgainMs, 9).size() == 1);
}

TEST_CASE("proofs outlive the process") {
  Watched watched;
  watched.says({"mcloud=" + kA});
  DomainProofs next;
  next.load(watched.proofs.save() + "broken line\n");
  next.want({{"d.example", {kA}}, {"e.example", {kA}}});
  CHECK(next.holder("d.example", watched.now) == kA);
  CHECK(next.holder("e.example", watched.now) == "");
  next.want({});
  CHECK(next.holder("d.example", watched.now) == "");
  next.want({{"d.example", {kA}}});
  CHECK(next.holder("d.example", watched.now) == kA);
  DomainProofs another;
  another.load(watched.proofs.save());
  another.want({{"d.example", {kB}}});
  CHECK(another.holder("d.example", watched.now) == "");
}

}  // namespace
}  // namespace mcloud::gateway
