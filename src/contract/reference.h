// Inside this room only: what one workload of a file says about another.
#pragma once

#include <string>
#include <vector>

#include "contract/document.h"
#include "contract/syntax.h"

namespace mcloud::contract {

// Names of all workloads whose spec is a T.
template <typename T>
std::vector<std::string> names_of(const Contract& contract) {
  std::vector<std::string> names;
  for (const Workload& workload : contract.workloads) {
    if (std::holds_alternative<T>(workload.spec)) names.push_back(workload.name.value);
  }
  return names;
}

std::string joined_names(const std::vector<std::string>& names);

// The spec of the named workload; reports and returns nullptr when there is none or it is of another kind.
template <typename T>
const T* refer(const Contract& contract, const Text& name, std::string_view field, std::string_view kind, Report& report) {
  if (const T* found = contract.find_as<T>(name.value)) return found;
  const Workload* other = contract.find(name.value);
  if (other != nullptr && std::holds_alternative<Unreadable>(other->spec)) return nullptr;
  std::vector<std::string> names = names_of<T>(contract);
  std::string what = other == nullptr ? "there is no " + std::string(kind) + " \"" + name.value + "\""
                                      : "\"" + name.value + "\" is a " + other->kind + ", not a " + std::string(kind);
  report.add(name.place, field, what,
             {names.empty() ? "" : joined_names(names), nearest_spelling(name.value, names)});
  return nullptr;
}

}  // namespace mcloud::contract
