#include "judge.h"

#include "testing/linear.h"

namespace mcloud::linear {

Findings judge(const std::vector<Object>& objects, const std::vector<std::vector<Record>>& records) {
  Findings findings;
  std::vector<testing::History> histories(objects.size());
  for (const std::vector<Record>& one : records) {
    for (const Record& record : one) {
      histories[record.object].push_back(record.operation);
      ++findings.operations;
      findings.unanswered += record.operation.end == testing::Operation::kNever ? 1 : 0;
    }
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    testing::LinearVerdict verdict = testing::judge_linear(histories[i], objects[i].keys.size());
    findings.states += verdict.states;
    if (verdict.kind == testing::LinearVerdict::Kind::Linear) continue;
    bool is_broken = verdict.kind == testing::LinearVerdict::Kind::Broken;
    findings.wrong.push_back((is_broken ? "not linear: " : "undecided: ") + objects[i].keys[0] + ": " + verdict.why);
  }
  return findings;
}

}  // namespace mcloud::linear
