#include "gateway/runtime.h"

#include <algorithm>
#include <charconv>

namespace mcloud::gateway {
namespace {

Error corrupt(const std::string& what) { return make_error(Code::Corrupt, "HAProxy's answer: " + what); }

std::string_view take_line(std::string_view& text) {
  size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> out;
  while (true) {
    size_t end = line.find(separator);
    out.push_back(line.substr(0, end));
    if (end == line.npos) return out;
    line.remove_prefix(end + 1);
  }
}

// 0 for what is empty or no number: figures that HAProxy leaves out.
uint64_t number(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// As we name them; anything else could become another command.
bool is_name(std::string_view text) {
  auto is_good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; };
  return !text.empty() && std::ranges::all_of(text, is_good);
}

// A table whose head names its columns.
class Table {
 public:
  static Result<Table> of(std::string_view head, char separator) {
    Table table;
    table.separator_ = separator;
    if (!head.starts_with("# ")) return corrupt("a table without a head");
    size_t column = 0;
    for (std::string_view name : split(head.substr(2), separator)) table.columns_[std::string(name)] = column++;
    return table;
  }
  Status require(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      if (!columns_.contains(name)) return corrupt(std::string("no column ") + name);
    }
    return {};
  }
  void read(std::string_view line) { cells_ = split(line, separator_); }
  std::string_view cell(const char* name) const {
    size_t column = columns_.find(name)->second;
    return column < cells_.size() ? cells_[column] : std::string_view();
  }

 private:
  char separator_ = ' ';
  std::map<std::string, size_t, std::less<>> columns_;
  std::vector<std::string_view> cells_;
};

}  // namespace

Result<RunningServers> parse_servers(std::string_view answer) {
  if (take_line(answer) != "1") return corrupt("another version of the servers' state");
  Table table = TRY(Table::of(take_line(answer), ' '));
  TRY(table.require({"be_name", "srv_name", "srv_op_state", "srv_admin_state", "srv_uweight"}));
  RunningServers out;
  while (!answer.empty()) {
    std::string_view line = take_line(answer);
    if (line.empty()) continue;
    table.read(line);
    if (!is_name(table.cell("be_name")) || !is_name(table.cell("srv_name"))) return corrupt("a server without a name");
    RunningServer server;
    server.weight = static_cast<uint32_t>(number(table.cell("srv_uweight")));
    server.is_up = number(table.cell("srv_op_state")) >= 2;  // SRV_ST_RUNNING; 3 is stopping softly, which still answers
    server.is_in_maintenance = (number(table.cell("srv_admin_state")) & 0x01) != 0;  // SRV_ADMF_FMAINT
    out[std::string(table.cell("be_name"))][std::string(table.cell("srv_name"))] = server;
  }
  return out;
}

std::string info_value(std::string_view answer, std::string_view key) {
  while (!answer.empty()) {
    std::string_view line = take_line(answer);
    if (line.starts_with(key) && line.substr(key.size()).starts_with(": ")) return std::string(line.substr(key.size() + 2));
  }
  return "";
}

std::vector<std::string> server_changes(const std::vector<HaproxyBackend>& wanted, const RunningServers& running) {
  std::vector<std::string> out;
  static const std::map<std::string, RunningServer> kNone;
  for (const HaproxyBackend& backend : wanted) {
    auto found = running.find(backend.name);
    std::map<std::string, RunningServer> left = found == running.end() ? kNone : found->second;
    for (const HaproxyServer& server : backend.servers) {
      std::string name = backend.name + "/" + server.name;
      std::string weight = std::to_string(server.weight);
      auto there = left.find(server.name);
      if (there == left.end()) {
        if (backend.is_sticky) continue;
        out.push_back("add server " + name + " " + server.address + " weight " + weight + " " + server.options);
      } else if (there->second.weight != server.weight) {
        out.push_back("set server " + name + " weight " + weight);
      }
      if (there == left.end() || there->second.is_in_maintenance) {
        out.push_back("enable health " + name);
        out.push_back("set server " + name + " state ready");
      }
      if (there != left.end()) left.erase(there);
    }
    for (const auto& [name, server] : left) {
      if (!server.is_in_maintenance) out.push_back("set server " + backend.name + "/" + name + " state maint");
      out.push_back("del server " + backend.name + "/" + name);
    }
  }
  return out;
}

Result<std::map<std::string, BackendFigures>> parse_figures(std::string_view answer) {
  Table table = TRY(Table::of(take_line(answer), ','));
  TRY(table.require({"pxname", "svname", "stot", "bin", "bout", "act", "req_tot"}));
  std::map<std::string, BackendFigures> out;
  while (!answer.empty()) {
    std::string_view line = take_line(answer);
    if (line.empty()) continue;
    table.read(line);
    if (table.cell("svname") != "BACKEND") continue;
    BackendFigures figures;
    figures.requests = table.cell("req_tot").empty() ? number(table.cell("stot")) : number(table.cell("req_tot"));
    figures.bytes_in = number(table.cell("bin"));
    figures.bytes_out = number(table.cell("bout"));
    figures.servers_up = static_cast<uint32_t>(number(table.cell("act")));
    out[std::string(table.cell("pxname"))] = figures;
  }
  return out;
}

}  // namespace mcloud::gateway
