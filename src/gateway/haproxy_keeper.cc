#include "gateway/haproxy_keeper.h"

#include <algorithm>

#include "base/log.h"

namespace mcloud::gateway {
namespace {

constexpr uint64_t kReloadPauseMs = 500;    // changes that come together are one reload
constexpr uint64_t kServersAgainMs = 1'000;  // servers that still have connections cannot be deleted
constexpr uint64_t kStartPauseMs = 100;
constexpr uint64_t kStartPauseMaxMs = 5'000;
constexpr size_t kCommandBytesMax = 12 << 10;  // HAProxy reads a line into a buffer of 16 KiB

void add(std::map<std::string, BackendFigures>& sums, const std::map<std::string, BackendFigures>& more) {
  for (const auto& [name, figures] : more) {
    sums[name].requests += figures.requests;
    sums[name].bytes_in += figures.bytes_in;
    sums[name].bytes_out += figures.bytes_out;
  }
}

}  // namespace

void HaproxyKeeper::want(HaproxyConfig config) {
  wanted_ = std::move(config);
  agrees_ = is_tidy_ = false;
  next_servers_ms_ = 0;
}

void HaproxyKeeper::round(uint64_t now_ms) {
  if (!wanted_.has_value()) return;
  if (was_running_ && !process_.is_running()) {
    log::warning("gateway", "HAProxy has ended, it is started again");
    was_running_ = agrees_ = is_tidy_ = false;
    add(before_, last_);
    last_.clear();
  }
  if (agrees_ && is_tidy_) return;
  Status agreed = agree(now_ms);
  std::string message = agreed.has_value() ? "" : agreed.error().message;
  if (!message.empty() && message != message_) log::error("gateway", message);
  message_ = std::move(message);
}

Status HaproxyKeeper::agree(uint64_t now_ms) {
  if (!process_.is_running()) return begin(now_ms);
  was_running_ = true;
  if (TRY(process_.structure()) != wanted_->structure) return renew(now_ms);
  if (now_ms < next_servers_ms_) return {};
  next_servers_ms_ = now_ms + kServersAgainMs;
  TRY(write_files(*wanted_));  // its next start is with the same servers
  good_ = wanted_;
  return move_servers();
}

Status HaproxyKeeper::begin(uint64_t now_ms) {
  if (now_ms < next_start_ms_) return message_.empty() ? Status() : Status(make_error(Code::Unavailable, message_));
  start_pause_ms_ = std::clamp(start_pause_ms_ * 2, kStartPauseMs, kStartPauseMaxMs);
  next_start_ms_ = now_ms + start_pause_ms_;
  // No state of servers: the last one that was written may be old.
  TRY(io::write_file(paths_.folder + "/servers", "1\n", io::Durability::None, 0600));
  TRY(write_files(*wanted_));
  TRY(process_.check());
  TRY(process_.start());
  start_pause_ms_ = 0;
  was_running_ = true;
  good_ = wanted_;
  next_servers_ms_ = 0;
  return {};
}

Status HaproxyKeeper::renew(uint64_t now_ms) {
  if (wanted_->structure == refused_) return make_error(Code::Invalid, message_);
  if (now_ms < next_reload_ms_) return {};
  next_reload_ms_ = now_ms + kReloadPauseMs;
  TRY(write_files(*wanted_));
  Status taken = process_.check();
  if (!taken.has_value()) {
    refused_ = wanted_->structure;
    if (good_.has_value()) TRY(write_files(*good_));  // what runs is what a start after a crash finds
    return taken;
  }
  count();
  TRY(process_.reload(wanted_->structure));
  add(before_, last_);
  last_.clear();
  good_ = wanted_;
  ++reloads_;
  next_servers_ms_ = 0;
  return {};
}

Status HaproxyKeeper::write_files(const HaproxyConfig& config) {
  std::map<std::string, std::string> files = config.files;
  files["haproxy.cfg"] = config.text;
  for (auto& [name, content] : files) {
    if (auto there = on_disk_.find(name); there != on_disk_.end() && there->second == content) continue;
    TRY(io::write_file(paths_.folder + "/" + name, content, io::Durability::None, 0600));
    on_disk_[name] = std::move(content);
  }
  return {};
}

Status HaproxyKeeper::move_servers() {
  std::string answer = TRY(process_.runtime("show servers state"));
  RunningServers running = TRY(parse_servers(answer));
  std::vector<std::string> changes = server_changes(wanted_->backends, running);
  is_tidy_ = changes.empty();
  agrees_ = std::ranges::all_of(changes, [](const std::string& change) { return change.starts_with("del server "); });
  if (!agrees_) next_servers_ms_ = 0;
  std::string together;
  for (size_t i = 0; i < changes.size(); ++i) {
    together += (together.empty() ? "" : ";") + changes[i];
    if (i + 1 < changes.size() && together.size() + changes[i + 1].size() < kCommandBytesMax) continue;
    std::string said = TRY(process_.runtime(together));
    log::debug("gateway", "servers change", {{"commands", together}, {"answer", said}});
    together.clear();
  }
  return {};
}

void HaproxyKeeper::count() {
  Result<std::string> answer = process_.runtime("show stat -1 2 -1");
  if (!answer.has_value()) return;
  if (auto figures = parse_figures(*answer); figures.has_value()) last_ = std::move(*figures);
}

std::map<std::string, BackendFigures> HaproxyKeeper::figures() {
  if (was_running_) count();
  std::map<std::string, BackendFigures> out = before_;
  add(out, last_);
  for (const auto& [name, figures] : last_) out[name].servers_up = figures.servers_up;
  return out;
}

}  // namespace mcloud::gateway
