#include "testing/linear.h"

#include <algorithm>
#include <map>
#include <unordered_set>

namespace mcloud::testing {
namespace {

using State = std::vector<std::optional<std::string>>;

// Where the search stands: how many operations of each process have happened, and what the keys are then.
struct Place {
  std::vector<uint32_t> done;
  State state;
  std::vector<size_t> next;  // processes to try, the last first

  std::string name() const {
    std::string name(reinterpret_cast<const char*>(done.data()), done.size() * sizeof done[0]);
    for (const auto& value : state) {
      name += value ? '=' + std::to_string(value->size()) + ':' : std::string("-");
      if (value) name += *value;
    }
    return name;
  }
};

// A read that was never answered says nothing.
bool is_idle(const Operation& operation) {
  if (operation.end != Operation::kNever) return false;
  return std::ranges::all_of(operation.steps, [](const Step& step) {
    return step.kind == StepKind::Get || step.kind == StepKind::Exists;
  });
}

class Search {
 public:
  Search(const History& history, size_t keys, uint64_t states_max) : states_max_(states_max) {
    std::map<uint32_t, std::vector<const Operation*>> by_process;
    for (const Operation& operation : history) {
      if (is_idle(operation)) continue;
      by_process[operation.process].push_back(&operation);
      if (operation.end != Operation::kNever) ++answered_;
    }
    for (auto& [process, operations] : by_process) processes_.push_back(std::move(operations));
    Place first{std::vector<uint32_t>(processes_.size()), State(keys), {}};
    deepest_ = first;
    push(std::move(first), 0);
  }

  LinearVerdict run() {
    while (!path_.empty()) {
      if (answered_ == done_.back()) return {LinearVerdict::Kind::Linear, "", seen_.size()};
      if (seen_.size() > states_max_)
        return {LinearVerdict::Kind::Undecided, "more than " + std::to_string(states_max_) + " states", seen_.size()};
      Place& place = path_.back();
      if (place.next.empty()) {
        path_.pop_back();
        done_.pop_back();
        continue;
      }
      size_t process = place.next.back();
      place.next.pop_back();
      step(process);
    }
    return {LinearVerdict::Kind::Broken, explain(), seen_.size()};
  }

 private:
  const Operation* next_of(const Place& place, size_t process) const {
    const auto& operations = processes_[process];
    return place.done[process] < operations.size() ? operations[place.done[process]] : nullptr;
  }

  void push(Place place, size_t done) {
    // Nothing may come before what ended before it began. In a process the next one ends first.
    uint64_t horizon = Operation::kNever;
    for (size_t i = 0; i < processes_.size(); ++i) {
      if (const Operation* next = next_of(place, i)) horizon = std::min(horizon, next->end);
    }
    for (size_t i = 0; i < processes_.size(); ++i) {
      const Operation* next = next_of(place, i);
      if (next != nullptr && next->begin <= horizon) place.next.push_back(i);
    }
    // What ended first is tried first; what was never answered, last.
    std::ranges::sort(place.next, std::greater(), [&](size_t i) { return next_of(place, i)->end; });
    if (done >= deepest_done_) {
      deepest_ = place;
      deepest_done_ = done;
    }
    path_.push_back(std::move(place));
    done_.push_back(done);
  }

  void step(size_t process) {
    const Operation& operation = *next_of(path_.back(), process);
    Place then{path_.back().done, path_.back().state, {}};
    for (const Step& one : operation.steps) {
      std::string answer = run_step(one, then.state);
      if (one.answer && *one.answer != answer) return;
    }
    ++then.done[process];
    if (!seen_.insert(then.name()).second) return;
    push(std::move(then), done_.back() + (operation.end == Operation::kNever ? 0 : 1));
  }

  std::string explain() const {
    std::string text = "after " + std::to_string(deepest_done_) + " of " + std::to_string(answered_) +
                       " operations nothing explains what comes next; the keys are then";
    for (const auto& value : deepest_.state) text += value ? " =" + *value : " none";
    for (size_t i = 0; i < processes_.size(); ++i) {
      const Operation* next = next_of(deepest_, i);
      bool is_near = std::ranges::find(deepest_.next, i) != deepest_.next.end();
      if (next != nullptr && is_near) text += "\n    " + describe(*next);
    }
    return text;
  }

  const uint64_t states_max_;
  std::vector<std::vector<const Operation*>> processes_;
  size_t answered_ = 0;
  std::vector<Place> path_;
  std::vector<size_t> done_;  // answered operations at each place of the path
  std::unordered_set<std::string> seen_;
  Place deepest_;
  size_t deepest_done_ = 0;
};

}  // namespace

LinearVerdict judge_linear(const History& history, size_t keys, uint64_t states_max) {
  return Search(history, keys, states_max).run();
}

}  // namespace mcloud::testing
