#include "node/log_shipper.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <sstream>

#include "base/log.h"
#include "io/file.h"
#include "sink/exposition.h"

namespace mcloud::node {
namespace {

constexpr uint64_t kRetryMs = 1'000;

// Not about who we are or whether the sink is well.
bool is_about_content(Code code) { return code == Code::Invalid || code == Code::Corrupt || code == Code::Exhausted; }

// "MemAvailable:  123 kB" of /proc/meminfo, in bytes.
double memory_field(const Bytes& meminfo, const std::string& name) {
  size_t at = meminfo.find(name + ":");
  if (at == std::string::npos) return 0;
  return static_cast<double>(std::strtoull(meminfo.c_str() + at + name.size() + 1, nullptr, 10)) * 1024;
}

std::vector<std::pair<std::string, double>> machine_numbers(const std::string& data_folder) {
  std::vector<std::pair<std::string, double>> numbers;
  if (auto meminfo = io::read_file("/proc/meminfo", 64 << 10); meminfo.has_value()) {
    numbers.emplace_back("node_memory_total_bytes", memory_field(*meminfo, "MemTotal"));
    numbers.emplace_back("node_memory_available_bytes", memory_field(*meminfo, "MemAvailable"));
  }
  if (auto load = io::read_file("/proc/loadavg", 4096); load.has_value()) {
    numbers.emplace_back("node_load1", std::strtod(load->c_str(), nullptr));
  }
  struct statvfs disk{};
  if (::statvfs(data_folder.c_str(), &disk) == 0) {
    numbers.emplace_back("node_disk_total_bytes",
                         static_cast<double>(disk.f_blocks) * static_cast<double>(disk.f_frsize));
    numbers.emplace_back("node_disk_free_bytes",
                         static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize));
  }
  return numbers;
}

}  // namespace

LogShipper::LogShipper(sink::Pusher& pusher, Containers& containers, const Clock& clock, Options options)
    : pusher_(pusher), containers_(containers), clock_(clock), options_(std::move(options)) {
  load_positions();
}

void LogShipper::round(const std::vector<Target>& targets, const Numbers& numbers) {
  uint64_t now = clock_.monotonic_ms();
  if (now < not_before_ms_) return;
  if (push_.empty()) gather(targets);
  bool is_metrics_due = now >= next_metrics_ms_;
  if (push_.empty() && !is_metrics_due) return;
  auto pushed = pusher_.push(push_, is_metrics_due ? metrics(targets, numbers) : "");
  if (!pushed.has_value() && is_about_content(pushed.error().code)) {
    // It will never be taken, and must not keep what comes after it: figures go first, then these lines.
    log::warning("node", "the sink refuses a push", {{"reason", pushed.error().message}});
    next_metrics_ms_ = now + options_.metrics_every_ms;
    if (!is_metrics_due) forget_push();
    return;
  }
  if (!pushed.has_value()) {
    if (failures_++ == 0) log::warning("node", "the sink takes nothing", {{"reason", pushed.error().message}});
    not_before_ms_ = now + std::min(kRetryMs << std::min<uint64_t>(failures_ - 1, 10), options_.retry_max_ms);
    return;
  }
  if (std::exchange(failures_, 0) > 0) log::info("node", "the sink takes again");
  if (*pushed > 0) log::warning("node", "the sink refused log batches", {{"batches", std::to_string(*pushed)}});
  if (is_metrics_due) next_metrics_ms_ = now + options_.metrics_every_ms;
  if (!push_.empty()) forget_push();
}

void LogShipper::forget_push() {
  for (const auto& [container, position] : push_positions_) sources_[container].arrived = position;
  push_.clear();
  push_positions_.clear();
  save_positions();
}

void LogShipper::gather(const std::vector<Target>& targets) {
  std::erase_if(sources_, [&](const auto& source) {
    return std::none_of(targets.begin(), targets.end(),
                        [&](const Target& target) { return target.container == source.first; });
  });
  size_t bytes = 0;
  // Another one begins each time, so that a container that writes much does not silence the ones after it.
  for (size_t i = 0; i < targets.size() && bytes < options_.push_bytes; ++i) {
    bytes += gather_one(targets[(first_target_ + i) % targets.size()]);
  }
  ++first_target_;
}

size_t LogShipper::gather_one(const Target& target) {
  Source& source = sources_[target.container];
  if (source.reader == nullptr) {
    if (auto known = known_.find(target.container); known != known_.end()) source.arrived = known->second;
    known_.erase(target.container);
    source.reader =
        std::make_unique<runtime::LogReader>(options_.disk_folder + "/" + target.container + "/log", source.arrived);
  }
  auto lines = source.reader->read(options_.lines_per_batch, options_.batch_bytes);
  if (!lines.has_value() || lines->empty()) return 0;
  pb::LogLines plain;
  for (const runtime::LogLine& line : *lines) {
    pb::LogLine& added = *plain.add_lines();
    added.set_time_ns(line.time_ns);
    added.set_is_error(line.is_error);
    added.set_is_part(!line.is_whole);
    added.set_text(line.text);
  }
  auto batch = sink::seal_lines(target.owner, target.replica.contract, plain);
  if (!batch.has_value()) {
    log::error("node", "lines cannot be sealed", {{"container", target.container}, {"reason", batch.error().message}});
    return 0;
  }
  batch->set_workload(target.replica.workload);
  batch->set_index(target.replica.index);
  size_t bytes = batch->box().size();
  push_.push_back(std::move(*batch));
  push_positions_[target.container] = source.reader->position();
  return bytes;
}

std::string LogShipper::metrics(const std::vector<Target>& targets, const Numbers& numbers) const {
  std::string text;
  auto gauge = [&](const std::string& name, double value) {
    text += fmt::format("# TYPE {} gauge\n{} {}\n", name, name, value);
  };
  for (const auto& [name, value] : numbers.node) gauge(name, value);
  for (const auto& [name, value] : machine_numbers(options_.data_folder)) gauge(name, value);
  // Half of the room, so that the containers' are not left out for them.
  text += exposition(numbers.figures, options_.metrics_bytes / 2);
  std::string cpu = "# TYPE node_container_cpu_seconds_total counter\n";
  std::string memory = "# TYPE node_container_memory_bytes gauge\n";
  std::string pids = "# TYPE node_container_pids gauge\n";
  for (const Target& target : targets) {
    // Below what the sink takes in one push; the figures of further containers are left out.
    if (text.size() + cpu.size() + memory.size() + pids.size() > options_.metrics_bytes) break;
    if (!target.is_running) continue;
    auto usage = containers_.usage(target.container);
    if (!usage.has_value()) continue;
    std::string labels =
        fmt::format("{{contract=\"{}\",workload=\"{}\",index=\"{}\"}}", target.replica.contract.hex().substr(0, 16),
                    target.replica.workload, target.replica.index);
    cpu += fmt::format("node_container_cpu_seconds_total{} {}\n", labels, static_cast<double>(usage->cpu_ns) / 1e9);
    memory += fmt::format("node_container_memory_bytes{} {}\n", labels, usage->memory_bytes);
    pids += fmt::format("node_container_pids{} {}\n", labels, usage->pids);
  }
  return text + cpu + memory + pids;
}

// "ID inode offset" per line; of no value after a reboot, so tmpfs and no checksum.
void LogShipper::load_positions() {
  auto bytes = io::read_file(options_.position_file, 4 << 20);
  if (!bytes.has_value()) return;
  std::istringstream lines(*bytes);
  std::string container;
  runtime::LogPosition position;
  while (lines >> container >> position.inode >> position.offset) known_[container] = position;
}

void LogShipper::save_positions() const {
  std::string text;
  for (const auto& [container, source] : sources_) {
    text += fmt::format("{} {} {}\n", container, source.arrived.inode, source.arrived.offset);
  }
  Status saved = io::write_file(options_.position_file, text, io::Durability::None, 0600);
  if (!saved.has_value()) log::warning("node", "log positions are not kept", {{"reason", saved.error().message}});
}

}  // namespace mcloud::node
