#include "runtime/monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <nlohmann/json.hpp>

#include "io/clock.h"

namespace mcloud::runtime {
namespace {

constexpr size_t kReportBytesMax = 64 << 10;

io::Command conmon_command(const MonitorOptions& options, const ContainerFolder& folder) {
  io::Command command;
  command.arguments = {
      options.conmon, "--api-version", "1",
      "--cid", options.id,
      "--cuuid", options.id,
      "--name", options.id,
      "--runtime", options.crun,
      "--runtime-arg", "--root=" + options.crun_root,
      "--runtime-arg", "--cgroup-manager=disabled",
      "--bundle", folder.path(),
      "--persist-dir", folder.path(),
      "--socket-dir-path", options.sockets_folder,
      "--exit-dir", options.exits_folder,
      "--conmon-pidfile", folder.file("conmon.pid"),
      "--container-pidfile", folder.file("pid"),
      "--log-path", "k8s-file:" + options.log_path,
      "--log-size-max", std::to_string(options.log_bytes_max),
      "--log-level", "error",
      "--no-sync-log",
  };
  command.environment = {"_OCI_SYNCPIPE=3"};
  command.working_folder = folder.path();  // conmon notes a lack of memory in a file where it stands
  return command;
}

// Up to the line end, or the end of the pipe.
Result<Bytes> read_report(const io::Fd& pipe, uint64_t deadline_ms) {
  Bytes out;
  while (out.find('\n') == Bytes::npos && out.size() < kReportBytesMax) {
    uint64_t now = io::SystemClock().monotonic_ms();
    pollfd waiting{pipe.get(), POLLIN, 0};
    int left = static_cast<int>(std::min<uint64_t>(deadline_ms > now ? deadline_ms - now : 0, INT_MAX));
    int ready = ::poll(&waiting, 1, left);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return make_error(Code::TimedOut, "conmon: did not make the container in time");
    char buffer[4096];
    ssize_t got = ::read(pipe.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "conmon: read its report");
    if (got == 0) break;
    out.append(buffer, static_cast<size_t>(got));
  }
  return out;
}

Error crun_error(const std::string& message) {
  // crun 1.x: "executable file `x` not found in $PATH"; both mean the image lacks it.
  bool is_missing = message.find("executable file") != std::string::npos;
  return make_error(is_missing ? Code::NotFound : Code::Internal, message);
}

}  // namespace

Result<int> parse_monitor_report(BytesView json_text) {
  nlohmann::json json = nlohmann::json::parse(json_text, nullptr, false);
  if (json.is_object()) {
    for (const char* name : {"data", "pid"}) {
      auto found = json.find(name);
      if (found == json.end() || !found->is_number_integer()) continue;
      int64_t pid = found->get<int64_t>();
      if (pid > 0 && pid <= INT_MAX) return static_cast<int>(pid);
    }
    auto message = json.find("message");
    if (message != json.end() && message->is_string()) {
      std::string text = message->get<std::string>();
      while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
      return crun_error("crun: " + text.substr(0, 1000));
    }
  }
  return make_error(Code::Internal, "conmon: ended without making the container");
}

Result<int> start_monitor(const MonitorOptions& options, const ContainerFolder& folder, ChildSteps& steps) {
  uint64_t deadline_ms = io::SystemClock().monotonic_ms() + options.timeout_ms;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  io::Fd report(ends[0]);
  io::Fd child_report(ends[1]);
  io::Command command = conmon_command(options, folder);
  command.descriptors = {{child_report.get(), 3}};
  TRY(steps.attach(command));
  // It forks, and its first process ends at once.
  Result<io::Outcome> outcome = io::run(command, {options.timeout_ms, 16 << 10});
  TRY(steps.outcome());
  if (!outcome.has_value()) return std::move(outcome).error();
  child_report.reset();
  if (outcome->exit_code != 0) {
    return make_error(Code::Internal, "conmon: " + outcome->errors.substr(0, 1000) + " (exit code " +
                                          std::to_string(outcome->exit_code) + ")");
  }
  Bytes text = TRY(read_report(report, deadline_ms));
  return parse_monitor_report(text);
}

}  // namespace mcloud::runtime
