// Inside this room only: what one workload of a file says about another.
#pragma once

#include <string>
#include <vector>

#include "contract/document.h"
#include "contract/syntax.h"

namespace mcloud::contract {

// Names of all workloads whose spec is one of T.
template <typename... T>
std::vector<std::string> names_of(const Contract& contract) {
  std::vector<std::string> names;
  for (const Workload& workload : contract.workloads) {
    if ((std::holds_alternative<T>(workload.spec) || ...)) names.push_back(workload.name.value);
  }
  return names;
}

std::string joined_names(const std::vector<std::string>& names);

// The named workload; reports and returns nullptr when there is none or it is of none of the kinds T.
template <typename... T>
const Workload* refer_any(const Contract& contract, const Text& name, std::string_view field, std::string_view kind,
                          Report& report) {
  const Workload* other = contract.find(name.value);
  if (other != nullptr && (std::holds_alternative<T>(other->spec) || ...)) return other;
  if (other != nullptr && std::holds_alternative<Unreadable>(other->spec)) return nullptr;
  std::vector<std::string> names = names_of<T...>(contract);
  std::string what = other == nullptr ? "there is no " + std::string(kind) + " \"" + name.value + "\""
                                      : "\"" + name.value + "\" is a " + other->kind + ", not a " + std::string(kind);
  report.add(name.place, field, what,
             {names.empty() ? "" : joined_names(names), nearest_spelling(name.value, names)});
  return nullptr;
}

// Its spec; nullptr as with refer_any().
template <typename T>
const T* refer(const Contract& contract, const Text& name, std::string_view field, std::string_view kind, Report& report) {
  const Workload* found = refer_any<T>(contract, name, field, kind, report);
  return found == nullptr ? nullptr : std::get_if<T>(&found->spec);
}

}  // namespace mcloud::contract
