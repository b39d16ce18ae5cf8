#include "testing/linear.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "testing/simulated_random.h"

using namespace mcloud::testing;
using enum StepKind;
using Kind = LinearVerdict::Kind;

namespace {

Operation op(uint32_t process, uint64_t begin, uint64_t end, StepKind kind, std::string argument, std::string answer) {
  return {process, begin, end, {{kind, 0, std::move(argument), std::move(answer)}}};
}

Operation lost(uint32_t process, uint64_t begin, StepKind kind, std::string argument) {
  return {process, begin, Operation::kNever, {{kind, 0, std::move(argument), std::nullopt}}};
}

Kind judge(const History& history, size_t keys = 1) { return judge_linear(history, keys).kind; }

// What a correct server would have answered to `processes` clients at once.
History made_by_one_server(SimulatedRandom& random, size_t keys, uint32_t processes, size_t operations) {
  History history;
  std::vector<std::optional<std::string>> state(keys);
  std::vector<uint64_t> free_at(processes);
  for (uint64_t moment = 10; history.size() < operations; moment += 10) {
    auto process = static_cast<uint32_t>(random.below(processes));
    if (free_at[process] > moment) continue;
    // It happens at `moment`; begin and end lie around it, and reach into the others' time.
    uint64_t begin = std::max(free_at[process], moment - std::min(moment, random.below(60)));
    Operation operation{process, begin, moment + random.below(60), {}};
    for (uint64_t steps = 1 + random.below(2); steps > 0; --steps) {
      auto kind = static_cast<StepKind>(random.below(8));
      std::string argument = kind == Get || kind == Exists ? "" : std::to_string(moment + steps);
      Step one{kind, static_cast<uint32_t>(random.below(keys)), argument, std::nullopt};
      one.answer = run_step(one, state);
      operation.steps.push_back(one);
    }
    free_at[process] = operation.end + 1;
    history.push_back(operation);
  }
  return history;
}

}  // namespace

TEST_CASE("an answer after an acknowledged write shows it, and an old one is found out") {
  CHECK_EQ(judge({op(1, 0, 1, Set, "a", "ok"), op(2, 2, 3, Get, "", "=a")}), Kind::Linear);
  CHECK_EQ(judge({op(1, 0, 1, Set, "a", "ok"), op(2, 2, 3, Get, "", "none")}), Kind::Broken);
  // At the same time both are right.
  CHECK_EQ(judge({op(1, 0, 5, Set, "a", "ok"), op(2, 2, 3, Get, "", "none")}), Kind::Linear);
  CHECK_EQ(judge({op(1, 0, 5, Set, "a", "ok"), op(2, 2, 3, Get, "", "=a")}), Kind::Linear);
}

TEST_CASE("what was seen once does not disappear again") {
  CHECK_EQ(judge({op(1, 0, 9, Set, "a", "ok"), op(2, 1, 2, Get, "", "=a"), op(3, 3, 4, Get, "", "none")}),
           Kind::Broken);
}

TEST_CASE("a pipeline is taken in its order, though its operations overlap in time") {
  CHECK_EQ(judge({op(1, 0, 9, Set, "a", "ok"), op(1, 0, 9, Get, "", "none")}), Kind::Broken);
  CHECK_EQ(judge({op(1, 0, 9, Get, "", "none"), op(1, 0, 9, Set, "a", "ok")}), Kind::Linear);
}

TEST_CASE("an unanswered write has happened or not, but not both") {
  History history = {op(1, 0, 1, Set, "a", "ok"), lost(2, 2, Set, "b")};
  auto with = [&](std::vector<Operation> reads) {
    History whole = history;
    whole.insert(whole.end(), reads.begin(), reads.end());
    return judge(whole);
  };
  CHECK_EQ(with({op(3, 5, 6, Get, "", "=a")}), Kind::Linear);
  CHECK_EQ(with({op(3, 5, 6, Get, "", "=b")}), Kind::Linear);
  CHECK_EQ(with({op(3, 5, 6, Get, "", "=a"), op(3, 7, 8, Get, "", "=b")}), Kind::Linear);
  CHECK_EQ(with({op(3, 5, 6, Get, "", "=b"), op(3, 7, 8, Get, "", "=a")}), Kind::Broken);
  CHECK_EQ(with({op(3, 0, 1, Get, "", "=b")}), Kind::Broken);  // before it was sent
}

TEST_CASE("of an unanswered pipeline a prefix has happened") {
  History history = {lost(1, 0, Append, "a"), lost(1, 0, Append, "b")};
  for (auto [answer, kind] : {std::pair("none", Kind::Linear), {"=a", Kind::Linear}, {"=ab", Kind::Linear},
                              {"=b", Kind::Broken}, {"=ba", Kind::Broken}}) {
    History whole = history;
    whole.push_back(op(2, 5, 6, Get, "", answer));
    CHECK_EQ(judge(whole), kind);
  }
}

TEST_CASE("two that both believe to be the first are found out") {
  CHECK_EQ(judge({op(1, 0, 9, SetIfNone, "a", "#1"), op(2, 0, 9, SetIfNone, "b", "#1")}), Kind::Broken);
  CHECK_EQ(judge({op(1, 0, 9, Add, "1", "#1"), op(2, 0, 9, Add, "1", "#1")}), Kind::Broken);
  CHECK_EQ(judge({op(1, 0, 9, Add, "1", "#2"), op(2, 0, 9, Add, "1", "#1")}), Kind::Linear);
  CHECK_EQ(judge({op(0, 0, 1, Set, "x", "ok"), op(1, 2, 9, Take, "", "=x"), op(2, 2, 9, Take, "", "=x")}),
           Kind::Broken);
}

TEST_CASE("a transaction is all or nothing for whoever reads both keys at once") {
  History history = {{1, 0, 9, {{Set, 0, "a", "ok"}, {Set, 1, "a", "ok"}}}};
  auto seen = [&](std::string one, std::string other) {
    History whole = history;
    whole.push_back({2, 0, 9, {{Get, 0, "", one}, {Get, 1, "", other}}});
    return judge(whole, 2);
  };
  CHECK_EQ(seen("=a", "=a"), Kind::Linear);
  CHECK_EQ(seen("none", "none"), Kind::Linear);
  CHECK_EQ(seen("=a", "none"), Kind::Broken);
}

TEST_CASE("histories of one server are linear, and with one old answer they are not") {
  int broken = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed ", seed);
    SimulatedRandom random(seed);
    History history = made_by_one_server(random, 2, 6, 300);
    LinearVerdict verdict = judge_linear(history, 2);
    CHECK_MESSAGE(verdict.kind == Kind::Linear, verdict.why);
    // Somebody reads what was there long before.
    Step* changed = nullptr;
    std::string old;
    for (Operation& operation : history) {
      Step& step = operation.steps[0];
      if (step.kind != Get || step.key != 0) continue;
      if (old.empty()) old = *step.answer;
      if (operation.begin > 2000 && *step.answer != old) changed = &step;
    }
    if (changed == nullptr) continue;
    changed->answer = old;
    verdict = judge_linear(history, 2);
    CHECK_MESSAGE(verdict.kind != Kind::Undecided, verdict.why);
    broken += verdict.kind == Kind::Broken ? 1 : 0;
  }
  CHECK_GT(broken, 60);  // sometimes the old value, "none", is right again
}

TEST_CASE("the search is bounded, and says so instead of a verdict") {
  History history;
  for (uint32_t process = 0; process < 30; ++process) history.push_back(lost(process, 0, Append, std::string(1, 'a')));
  history.push_back(op(100, 5, 6, Get, "", "=b"));
  CHECK_EQ(judge_linear(history, 1, 1000).kind, Kind::Undecided);
}
