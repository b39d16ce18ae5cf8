#include "runtime/seccomp_filter.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "io/file.h"

namespace mcloud::runtime {
namespace {

using Json = nlohmann::json;
using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

Error wrong(const std::string& why) { return make_error(Code::Corrupt, "seccomp profile: " + why); }

std::string text_of(const Json& object, const char* name) {
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

uint64_t number_of(const Json& object, const char* name, uint64_t otherwise) {
  auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : otherwise;
}

Result<uint32_t> action_of(const std::string& name, uint64_t error_number) {
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(static_cast<uint32_t>(error_number));
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  return wrong("action \"" + name + "\" is not offered");
}

Result<scmp_compare> operator_of(const std::string& name) {
  if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
  if (name == "SCMP_CMP_LT") return SCMP_CMP_LT;
  if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
  if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
  if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
  if (name == "SCMP_CMP_GT") return SCMP_CMP_GT;
  if (name == "SCMP_CMP_MASKED_EQ") return SCMP_CMP_MASKED_EQ;
  return wrong("operator \"" + name + "\" is unknown");
}

Result<std::vector<scmp_arg_cmp>> comparisons_of(const Json& rule) {
  std::vector<scmp_arg_cmp> out;
  auto list = rule.find("args");
  if (list == rule.end() || !list->is_array()) return out;
  for (const Json& item : *list) {
    scmp_arg_cmp comparison{};
    uint64_t index = number_of(item, "index", 99);
    if (index > 5) return wrong("an argument's index is above 5");
    comparison.arg = static_cast<unsigned>(index);
    comparison.op = TRY(operator_of(text_of(item, "op")));
    comparison.datum_a = number_of(item, "value", 0);
    comparison.datum_b = number_of(item, "valueTwo", 0);
    out.push_back(comparison);
  }
  return out;
}

Status add_architectures(const Context& context, const Json& profile) {
  auto list = profile.find("architectures");
  if (list == profile.end() || !list->is_array()) return {};
  for (const Json& item : *list) {
    std::string name = item.is_string() ? item.get<std::string>() : "";
    if (!name.starts_with("SCMP_ARCH_")) return wrong("architecture \"" + name + "\" is unknown");
    name = name.substr(10);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    int outcome = seccomp_arch_add(context.get(), seccomp_arch_resolve_name(name.c_str()));
    if (outcome != 0 && outcome != -EEXIST) return wrong("architecture \"" + name + "\" is unknown");
  }
  return {};
}

Status add_rule(const Context& context, const Json& rule, uint32_t default_action) {
  uint32_t action = TRY(action_of(text_of(rule, "action"), number_of(rule, "errnoRet", EPERM)));
  if (action == default_action) return {};  // libseccomp refuses what changes nothing
  std::vector<scmp_arg_cmp> comparisons = TRY(comparisons_of(rule));
  for (const Json& item : rule["names"]) {
    std::string name = item.is_string() ? item.get<std::string>() : "";
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;  // newer than this library: the default action holds
    int outcome = seccomp_rule_add_array(context.get(), action, number, static_cast<unsigned>(comparisons.size()),
                                         comparisons.data());
    // EDOM: this processor has no such call.
    if (outcome != 0 && outcome != -EEXIST && outcome != -EDOM) return wrong("rule for " + name + " is refused");
  }
  return {};
}

Result<Bytes> exported(const Context& context) {
  io::Fd fd(memfd_create("seccomp", MFD_CLOEXEC));
  if (!fd.is_open()) return errno_error(errno, "memfd_create");
  int outcome = seccomp_export_bpf(context.get(), fd.get());
  if (outcome != 0) return errno_error(-outcome, "compile seccomp profile");
  Bytes out(static_cast<size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
  ssize_t got = ::pread(fd.get(), out.data(), out.size(), 0);
  if (got != static_cast<ssize_t>(out.size())) return errno_error(errno, "read compiled seccomp profile");
  return out;
}

}  // namespace

Result<Bytes> compile_seccomp(BytesView linux_seccomp) {
  Json profile = Json::parse(linux_seccomp, nullptr, false);
  if (!profile.is_object() || !profile["syscalls"].is_array()) return wrong("is not linux.seccomp");
  uint32_t action = TRY(action_of(text_of(profile, "defaultAction"), number_of(profile, "defaultErrnoRet", EPERM)));
  Context context(seccomp_init(action), &seccomp_release);
  if (context == nullptr) return wrong("its default action is refused");
  TRY(add_architectures(context, profile));
  // no_new_privs is set by crun, which installs the filter at the moment when it may.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_NNP, 0);
  for (const Json& rule : profile["syscalls"]) {
    if (!rule.is_object() || !rule.contains("names") || !rule["names"].is_array()) return wrong("a rule without names");
    TRY(add_rule(context, rule, action));
  }
  return exported(context);
}

}  // namespace mcloud::runtime
