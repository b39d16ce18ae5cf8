// Any bytes as what this room reads from images, containers and programs: passwd and group files, log lines,
// probe answers, seccomp profiles, conmon's report, mount tables.
#include <cstdint>

#include "runtime/cgroup_mounts.h"
#include "runtime/logs.h"
#include "runtime/monitor.h"
#include "runtime/probe_answer.h"
#include "runtime/process_identity.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_filter.h"
#include "runtime/user.h"

using namespace mcloud;
using namespace mcloud::runtime;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  size_t half = size / 2;
  BytesView first = bytes.substr(0, half), second = bytes.substr(half);
  for (std::string_view wanted : {std::string_view(""), std::string_view("web"), std::string_view("web:logs"), first}) {
    Result<ContainerUser> user = find_user(wanted, first, second);
    if (user.has_value() && (user->user > 65'535 || user->group > 65'535)) __builtin_trap();
  }
  Result<LogLine> line = parse_log_line(bytes);
  if (line.has_value() && line->text.size() > kLogTextMax) __builtin_trap();
  Result<int> status = parse_http_status(bytes);
  if (status.has_value() && (*status < 100 || *status > 999)) __builtin_trap();
  Result<int> pid = parse_monitor_report(bytes);
  if (pid.has_value() && *pid <= 0) __builtin_trap();
  Result<ProcessIdentity> process = parse_identity(bytes);
  if (process.has_value() && process->pid <= 0) __builtin_trap();
  find_cgroup_mounts(bytes);
  Result<std::string> seccomp = convert_seccomp(bytes, {{"CAP_CHOWN"}, "amd64", 6, 1});
  if (seccomp.has_value()) {
    Result<Bytes> filter = compile_seccomp(*seccomp);
    if (filter.has_value() && filter->size() % 8 != 0) __builtin_trap();
  }
  return 0;
}
