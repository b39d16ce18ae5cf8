#include "gateway/domain_proofs.h"

#include <charconv>

namespace mcloud::gateway {

void DomainProofs::want(const std::map<std::string, std::set<std::string>>& contracts_of_domain) {
  std::erase_if(domains_, [&](const auto& known) {
    bool is_wanted = contracts_of_domain.contains(known.first);
    if (!is_wanted && !known.second.holder.empty()) resting_[known.first] = {known.second.holder, known.second.proven_ms};
    return !is_wanted;
  });
  for (const auto& [name, contracts] : contracts_of_domain) {
    Domain& domain = domains_[name];
    if (domain.wanted_by != contracts) domain.next_ms = 0;
    domain.wanted_by = contracts;
    auto before = resting_.find(name);
    if (domain.holder.empty() && before != resting_.end()) std::tie(domain.holder, domain.proven_ms) = before->second;
    resting_.erase(name);
    if (!contracts.contains(domain.holder)) domain.holder.clear();
  }
}

std::vector<std::string> DomainProofs::due(uint64_t now_ms, size_t count_max) {
  std::vector<std::string> out;
  for (auto& [name, domain] : domains_) {
    if (out.size() == count_max) break;
    if (domain.is_asked || now_ms < domain.next_ms) continue;
    domain.is_asked = true;
    out.push_back(name);
  }
  return out;
}

bool DomainProofs::answer(const std::string& name, const Result<std::vector<std::string>>& texts, uint64_t now_ms, uint64_t wall_ms) {
  auto found = domains_.find(name);
  if (found == domains_.end()) return false;
  Domain& domain = found->second;
  domain.is_asked = false;
  std::erase_if(resting_, [&](const auto& resting) { return wall_ms >= resting.second.second + kGraceMs; });
  std::string before = holder(name, wall_ms);
  domain.problem = texts.has_value() ? "" : texts.error().message;
  if (texts.has_value()) {
    domain.named.clear();
    for (const std::string& text : *texts) {
      if (text.starts_with("mcloud=") && domain.wanted_by.contains(text.substr(7))) domain.named.insert(text.substr(7));
    }
    // A record that names both leaves it to the one that has it.
    if (!domain.named.empty() && !domain.named.contains(domain.holder)) domain.holder = *domain.named.begin();
    if (domain.named.contains(domain.holder)) domain.proven_ms = wall_ms;
  }
  bool is_proven = texts.has_value() && domain.named.contains(domain.holder) && domain.named.size() == domain.wanted_by.size();
  domain.next_ms = now_ms + (is_proven ? kAgainMs : kWaitingMs);
  return holder(name, wall_ms) != before;
}

std::string DomainProofs::holder(const std::string& name, uint64_t wall_ms) const {
  auto found = domains_.find(name);
  if (found == domains_.end() || found->second.holder.empty()) return "";
  return wall_ms < found->second.proven_ms + kGraceMs ? found->second.holder : "";
}

std::string DomainProofs::message(const std::string& name, const std::string& contract, uint64_t wall_ms) const {
  auto found = domains_.find(name);
  if (found == domains_.end()) return "";
  const Domain& domain = found->second;
  std::string reason = domain.problem.empty() ? "" : " (" + domain.problem + ")";
  if (holder(name, wall_ms) != contract) return "waits for TXT _mcloud." + name + " \"mcloud=" + contract + "\"" + reason;
  if (domain.problem.empty() && domain.named.contains(contract)) return "";
  if (!domain.problem.empty() && wall_ms < domain.proven_ms + 2 * kAgainMs) return "";
  return "TXT _mcloud." + name + " is lost" + reason + ": it is served for 24 h after that";
}

std::string DomainProofs::save() const {
  std::string out;
  for (const auto& [name, domain] : domains_) {
    if (!domain.holder.empty()) out += name + " " + domain.holder + " " + std::to_string(domain.proven_ms) + "\n";
  }
  for (const auto& [name, proof] : resting_) out += name + " " + proof.first + " " + std::to_string(proof.second) + "\n";
  return out;
}

void DomainProofs::load(std::string_view text) {
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    size_t first = line.find(' ');
    size_t second = first == line.npos ? line.npos : line.find(' ', first + 1);
    if (second == line.npos) continue;
    uint64_t proven_ms = 0;
    std::from_chars(line.data() + second + 1, line.data() + line.size(), proven_ms);
    resting_[std::string(line.substr(0, first))] = {std::string(line.substr(first + 1, second - first - 1)), proven_ms};
  }
}

}  // namespace mcloud::gateway
