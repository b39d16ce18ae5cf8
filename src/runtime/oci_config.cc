#include "runtime/oci_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/user_range.h"

namespace mcloud::runtime {
namespace {

using Json = nlohmann::json;

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Json mount(const std::string& path, const std::string& type, const std::string& source, std::vector<std::string> options) {
  return {{"destination", path}, {"type", type}, {"source", source}, {"options", std::move(options)}};
}

// Docker's, in its order.
Json default_mounts(const OciInput& input) {
  Json out = Json::array();
  out.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  std::vector<std::string> devices = {"nosuid", "strictatime", "mode=755", "size=65536k"};
  if (input.spec->only_image_programs) devices.push_back("noexec");
  out.push_back(mount("/dev", "tmpfs", "tmpfs", std::move(devices)));
  out.push_back(mount("/dev/pts", "devpts", "devpts",
                      {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  if (input.sysfs_folder.empty()) {
    out.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  } else {
    out.push_back(mount("/sys", "none", input.sysfs_folder, {"bind", "nosuid", "noexec", "nodev", "ro"}));
  }
  out.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  out.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  out.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  return out;
}

Json all_mounts(const OciInput& input) {
  Json own = Json::array();
  for (const ReadyMount& ready : input.mounts) {
    std::vector<std::string> options = {"bind", "rprivate", "nodev"};
    if (ready.read_only) options.push_back("ro");
    if (ready.no_programs) options.insert(options.end(), {"nosuid", "noexec"});
    own.push_back(mount(ready.path, "none", ready.source, std::move(options)));
  }
  for (const ContainerMount& tmpfs : input.spec->mounts) {
    if (!tmpfs.source.empty()) continue;
    std::vector<std::string> options = {"nosuid", "nodev", "mode=1777", "size=" + std::to_string(tmpfs.bytes_max)};
    if (tmpfs.read_only) options.push_back("ro");
    if (input.spec->only_image_programs) options.push_back("noexec");
    own.push_back(mount(tmpfs.path, "tmpfs", "tmpfs", std::move(options)));
  }
  // A mount below another one comes after it.
  std::sort(own.begin(), own.end(), [](const Json& a, const Json& b) {
    return a["destination"].get_ref<const std::string&>() < b["destination"].get_ref<const std::string&>();
  });
  Json out = default_mounts(input);
  for (Json& item : own) out.push_back(std::move(item));
  return out;
}

std::vector<std::string> environment_of(const OciInput& input) {
  std::vector<std::string> out = input.spec->environment;
  auto add = [&](const std::string& variable) {
    std::string start = variable.substr(0, variable.find('=') + 1);
    bool is_there = std::any_of(out.begin(), out.end(), [&](const std::string& v) { return v.starts_with(start); });
    if (!is_there) out.push_back(variable);
  };
  add(kPath);
  add("HOME=" + input.user.home);
  if (!input.spec->hostname.empty()) add("HOSTNAME=" + input.spec->hostname);
  return out;
}

Json process(const OciInput& input) {
  const std::vector<std::string>& capabilities = default_capabilities();
  return {
      {"terminal", false},
      {"user", {{"uid", input.user.user}, {"gid", input.user.group}, {"additionalGids", input.user.other_groups}}},
      {"args", input.spec->arguments},
      {"env", environment_of(input)},
      {"cwd", input.spec->working_folder.empty() ? "/" : input.spec->working_folder},
      {"capabilities", {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
      {"rlimits", {{{"type", "RLIMIT_NOFILE"}, {"hard", input.files_max}, {"soft", input.files_max}}}},
      {"noNewPrivileges", true},
  };
}

Json namespaces(const ContainerSpec& spec) {
  Json out = Json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount", "user", "cgroup"}) out.push_back({{"type", type}});
  Json network = {{"type", "network"}};
  if (!spec.network_namespace.empty()) network["path"] = spec.network_namespace;
  out.push_back(std::move(network));
  return out;
}

Json linux_part(const OciInput& input) {
  Json ids = {{{"containerID", 0}, {"hostID", input.spec->base_uid}, {"size", kUserRange}}};
  return {
      {"uidMappings", ids},
      {"gidMappings", ids},
      {"namespaces", namespaces(*input.spec)},
      {"rootfsPropagation", "private"},
      {"maskedPaths",
       {"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
        "/sys/devices/virtual/powercap"}},
      {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}},
      {"seccomp", Json::parse(input.seccomp, nullptr, false)},
  };
}

}  // namespace

const std::vector<std::string>& default_capabilities() {
  static const std::vector<std::string> all = {
      "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",  "CAP_FOWNER",           "CAP_MKNOD",      "CAP_NET_RAW", "CAP_SETGID",
      "CAP_SETUID", "CAP_SETFCAP",      "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",    "CAP_AUDIT_WRITE"};
  return all;
}

std::string oci_process(const OciInput& input) {
  return process(input).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> with_arguments(BytesView process_text, const std::vector<std::string>& arguments) {
  Json json = Json::parse(process_text, nullptr, false);
  if (!json.is_object()) return make_error(Code::Corrupt, "the container's process record is unreadable");
  json["args"] = arguments;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string oci_config(const OciInput& input) {
  Json config = {
      {"ociVersion", "1.0.2"},
      {"process", process(input)},
      {"root", {{"path", input.root_folder}, {"readonly", input.spec->read_only || input.spec->only_image_programs}}},
      {"mounts", all_mounts(input)},
      {"linux", linux_part(input)},
  };
  if (!input.seccomp_filter.empty()) {
    config["annotations"]["run.oci.seccomp_bpf_data"] = to_base64(input.seccomp_filter);
  }
  if (!input.spec->hostname.empty()) config["hostname"] = input.spec->hostname;
  // Bytes that are not UTF-8 cannot be said in JSON; check_spec() refuses them.
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace mcloud::runtime
