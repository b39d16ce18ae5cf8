#include "network/names.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>

namespace mcloud::network {

std::string host_name(const std::string& workload, uint32_t index) { return workload + "-" + std::to_string(index); }

std::string hosts_file(const Names& names) {
  std::map<std::string, std::vector<NamedMember>> workloads;
  bool is_listed = false;
  for (const NamedMember& member : names.members) {
    workloads[member.workload].push_back(member);
    is_listed = is_listed || host_name(member.workload, member.index) == names.own_name;
  }
  size_t choice = 0;
  for (unsigned char c : names.own_name) choice = choice * 31 + c;
  std::string domain = "." + names.contract + ".internal";
  std::string out = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
  if (!is_listed) {
    std::string own = names.own_address.is_none() ? "127.0.1.1" : names.own_address.text();
    out += own + " " + names.own_name + " " + names.own_name + domain + "\n";
  }
  for (auto& [workload, members] : workloads) {
    std::sort(members.begin(), members.end(), [](const NamedMember& a, const NamedMember& b) {
      return std::tie(a.index, a.address) < std::tie(b.index, b.address);
    });
    auto first = members.begin() + static_cast<std::ptrdiff_t>(choice % members.size());
    auto own = std::find_if(members.begin(), members.end(), [&](const NamedMember& member) {
      return host_name(workload, member.index) == names.own_name;
    });
    std::rotate(members.begin(), own != members.end() ? own : first, members.end());
    for (const NamedMember& member : members) {
      std::string one = host_name(workload, member.index);
      out += member.address.text() + " " + one + " " + one + domain + " " + workload + " " + workload + domain + "\n";
    }
  }
  return out;
}

}  // namespace mcloud::network
