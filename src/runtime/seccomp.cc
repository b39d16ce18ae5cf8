#include "runtime/seccomp.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace mcloud::runtime {
namespace {

using Json = nlohmann::json;

constexpr size_t kProfileBytesMax = 1 << 20;
constexpr int kEperm = 1;
constexpr int kEnosys = 38;
// CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
constexpr uint64_t kNamespaceFlags = 0x7E020000;

// What Docker's profile gives to CAP_SYS_ADMIN only and podman's to everybody, and the keyring, which has no
// namespace.
constexpr const char* kForAdmin[] = {
    "add_key",     "clone",         "clone3",  "fsconfig", "fsmount",   "fsopen",     "fspick",  "keyctl",
    "mount",       "mount_setattr", "move_mount", "open_tree", "pivot_root", "request_key", "setns", "umount",
    "umount2",     "unshare"};

Error wrong(std::string_view why) {
  return make_error(Code::Corrupt, "seccomp profile: " + std::string(why));
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

const Json* member(const Json& object, const char* name) {
  auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool kernel_is_at_least(const SeccompTarget& target, const std::string& version) {
  int major = 0, minor = 0;
  if (std::sscanf(version.c_str(), "%d.%d", &major, &minor) != 2) return false;
  return std::pair(target.kernel_major, target.kernel_minor) >= std::pair(major, minor);
}

// "includes": all that is named must hold (every capability, one of the processors). "excludes": the rule
// falls away when any holds.
bool rule_applies(const Json& rule, const SeccompTarget& target) {
  auto texts = [](const Json& filter, const char* name) {
    std::vector<std::string> out;
    const Json* list = member(filter, name);
    if (list == nullptr || !list->is_array()) return out;
    for (const Json& item : *list) {
      if (item.is_string()) out.push_back(item.get<std::string>());
    }
    return out;
  };
  auto has_capability = [&](const std::string& name) { return contains(target.capabilities, name); };
  if (const Json* includes = member(rule, "includes"); includes != nullptr && includes->is_object()) {
    std::vector<std::string> capabilities = texts(*includes, "caps");
    std::vector<std::string> architectures = texts(*includes, "arches");
    if (!std::all_of(capabilities.begin(), capabilities.end(), has_capability)) return false;
    if (!architectures.empty() && !contains(architectures, target.architecture)) return false;
    const Json* kernel = member(*includes, "minKernel");
    if (kernel != nullptr && kernel->is_string() && !kernel_is_at_least(target, kernel->get<std::string>())) return false;
  }
  if (const Json* excludes = member(rule, "excludes"); excludes != nullptr && excludes->is_object()) {
    std::vector<std::string> capabilities = texts(*excludes, "caps");
    if (std::any_of(capabilities.begin(), capabilities.end(), has_capability)) return false;
    if (contains(texts(*excludes, "arches"), target.architecture)) return false;
    const Json* kernel = member(*excludes, "minKernel");
    if (kernel != nullptr && kernel->is_string() && kernel_is_at_least(target, kernel->get<std::string>())) return false;
  }
  return true;
}

Result<std::vector<std::string>> names_of(const Json& rule) {
  std::vector<std::string> out;
  const Json* names = member(rule, "names");
  if (names == nullptr || !names->is_array()) return wrong("a rule without names");
  for (const Json& name : *names) {
    if (!name.is_string()) return wrong("a name that is no text");
    out.push_back(name.get<std::string>());
  }
  return out;
}

Result<Json> convert_rule(const Json& rule, bool is_admin) {
  const Json* action = member(rule, "action");
  if (action == nullptr || !action->is_string()) return wrong("a rule without action");
  std::vector<std::string> names = TRY(names_of(rule));
  if (!is_admin && *action == "SCMP_ACT_ALLOW") {
    std::erase_if(names, [](const std::string& name) {
      return std::find(std::begin(kForAdmin), std::end(kForAdmin), name) != std::end(kForAdmin);
    });
  }
  if (names.empty()) return Json();
  Json out = {{"names", names}, {"action", *action}};
  if (const Json* number = member(rule, "errnoRet"); number != nullptr && number->is_number_unsigned()) {
    out["errnoRet"] = *number;
  }
  const Json* arguments = member(rule, "args");
  if (arguments == nullptr || !arguments->is_array() || arguments->empty()) return out;
  for (const Json& argument : *arguments) {
    if (!argument.is_object()) return wrong("an argument that is no object");
    Json converted;
    for (const char* name : {"index", "value", "valueTwo", "op"}) {
      if (const Json* value = member(argument, name)) converted[name] = *value;
    }
    out["args"].push_back(std::move(converted));
  }
  return out;
}

void forbid_namespaces(Json& rules) {
  rules.push_back({{"names", {"clone"}},
                   {"action", "SCMP_ACT_ALLOW"},
                   {"args", {{{"index", 0}, {"value", kNamespaceFlags}, {"valueTwo", 0}, {"op", "SCMP_CMP_MASKED_EQ"}}}}});
  // Its flags lie in memory, where a filter does not see them: programs fall back to clone.
  rules.push_back({{"names", {"clone3"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", kEnosys}});
  Json others = Json::array();
  for (const char* name : kForAdmin) {
    if (std::string_view(name) != "clone" && std::string_view(name) != "clone3") others.push_back(name);
  }
  rules.push_back({{"names", others}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", kEperm}});
}

Json architectures_of(const Json& profile, const std::string& architecture) {
  std::string own = architecture == "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64";
  Json out = {own};
  const Json* map = member(profile, "archMap");
  if (map == nullptr || !map->is_array()) return out;
  for (const Json& entry : *map) {
    if (!entry.is_object() || entry.value("architecture", Json()) != own) continue;
    const Json* others = member(entry, "subArchitectures");
    if (others == nullptr || !others->is_array()) continue;
    for (const Json& other : *others) out.push_back(other);
  }
  return out;
}

}  // namespace

Result<std::string> convert_seccomp(BytesView text, const SeccompTarget& target) {
  if (text.size() > kProfileBytesMax) return wrong("is larger than 1 MiB");
  Json profile = Json::parse(text, nullptr, false);
  if (!profile.is_object()) return wrong("is not a JSON object");
  const Json* action = member(profile, "defaultAction");
  const Json* rules = member(profile, "syscalls");
  if (action == nullptr || !action->is_string() || rules == nullptr || !rules->is_array()) {
    return wrong("has no defaultAction or no syscalls");
  }
  Json out = {{"defaultAction", *action}, {"architectures", architectures_of(profile, target.architecture)}};
  if (const Json* number = member(profile, "defaultErrnoRet"); number != nullptr && number->is_number_unsigned()) {
    out["defaultErrnoRet"] = *number;
  }
  bool is_admin = contains(target.capabilities, "CAP_SYS_ADMIN");
  Json converted = Json::array();
  for (const Json& rule : *rules) {
    if (!rule.is_object()) return wrong("a rule that is no object");
    if (!rule_applies(rule, target)) continue;
    Json one = TRY(convert_rule(rule, is_admin));
    if (!one.is_null()) converted.push_back(std::move(one));
  }
  if (!is_admin) forbid_namespaces(converted);
  out["syscalls"] = std::move(converted);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

SeccompTarget seccomp_target(std::vector<std::string> capabilities) {
  SeccompTarget target;
  target.capabilities = std::move(capabilities);
  utsname name{};
  uname(&name);
  target.architecture = std::string(name.machine) == "aarch64" ? "arm64" : "amd64";
  std::sscanf(name.release, "%d.%d", &target.kernel_major, &target.kernel_minor);
  return target;
}

}  // namespace mcloud::runtime
