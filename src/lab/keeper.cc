#include "lab/keeper.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "lab/channel.h"
#include "lab/control.h"
#include "lab/forward.h"
#include "lab/logs.h"
#include "lab/namespaces.h"
#include "lab/options.h"
#include "lab/sweep.h"
#include "network/netns.h"
#include "wire/json.h"

namespace mcloud::lab {
namespace {

using nlohmann::json;

constexpr uint64_t kEndTimeoutMs = 8'000;
constexpr int kRootChannel = 3;  // its number in the root

json error_json(const Error& error) { return {{"code", code_name(error.code)}, {"message", error.message}}; }
std::string answer_line(const Result<json>& result) {
  return wire::json_text(result.has_value() ? json{{"result", result.value()}}
                                            : json{{"error", error_json(result.error())}});
}
Error error_of(const json& error) {
  return make_error(code_from_name(error.value("code", "internal")), error.value("message", "?"));
}

// The number of a process in our pid namespace, whatever it is in its own; 0 when it has ended.
int pid_of(const io::Fd& pidfd) {
  auto text = io::read_file("/proc/self/fdinfo/" + std::to_string(pidfd.get()));
  size_t place = text.has_value() ? text->find("\nPid:\t") : std::string::npos;
  if (place == std::string::npos) return 0;
  return std::max(0, std::atoi(text->c_str() + place + 6));
}

class Keeper {
 public:
  static Result<std::unique_ptr<Keeper>> create(const std::string& folder, io::Fd owner, io::Fd report);
  ~Keeper();
  void run() { poller_->run(); }
  bool is_good() const { return is_ready_; }
  Status start_root();

 private:
  Keeper(Options options, Cgroups cgroups, std::unique_ptr<Poller> poller)
      : options_(std::move(options)),
        folders_{options_.folder},
        id_(cluster_id(options_.folder)),
        cgroups_(std::move(cgroups)),
        poller_(std::move(poller)) {}

  void report(const json& line);
  void fail(const Error& error);
  void on_root();
  void on_event(const json& event, io::Fd descriptor);
  Status become_ready();
  Status set_forward(const ForwardSpec& spec);
  std::map<std::string, uint16_t> earlier_ports() const;
  Status write_context();
  void obey(const std::string& line, ControlServer::Answer answer);
  Result<json> obey_here(const std::string& command, const json& request);
  void ask_root(json request, ControlServer::Answer answer, std::function<json(json)> complete);
  json complete_status(json status);
  json forwards_json() const;

  struct Pending {
    ControlServer::Answer answer;
    std::function<json(json)> complete;
  };
  Options options_;
  Folders folders_;
  std::string id_;
  Cgroups cgroups_;
  std::unique_ptr<Poller> poller_;
  io::Fd lock_, claim_, owner_, report_, signals_;
  std::unique_ptr<io::Child> root_;
  std::optional<Channel> channel_;
  std::unique_ptr<Forwarder> forwarder_;
  std::unique_ptr<ControlServer> control_;
  std::map<std::string, io::Fd> processes_;  // pidfds by name
  std::map<uint64_t, Pending> pending_;      // asked of the root
  uint64_t last_request_ = 0;
  bool is_ready_ = false;
};

Result<std::unique_ptr<Keeper>> Keeper::create(const std::string& folder, io::Fd owner, io::Fd report) {
  std::string text = TRY(io::read_file(Folders{folder}.plan()));
  Options options = TRY(options_from_json(text));
  Cgroups cgroups = TRY(Cgroups::find());
  auto poller = TRY(Poller::create());
  std::unique_ptr<Keeper> keeper(new Keeper(std::move(options), std::move(cgroups), std::move(poller)));
  Keeper* raw = keeper.get();
  raw->owner_ = std::move(owner);
  raw->report_ = std::move(report);
  raw->signals_ = TRY(signal_descriptor({SIGTERM, SIGINT, SIGHUP, SIGPIPE}));
  TRY(raw->poller_->add(raw->signals_.get(), EPOLLIN, [raw](uint32_t) {
    int number = take_signal(raw->signals_);
    if (number == SIGTERM || number == SIGINT) raw->poller_->stop();
  }));
  TRY(raw->poller_->add(raw->owner_.get(), 0, [raw](uint32_t) { raw->poller_->stop(); }));
  return keeper;
}

Keeper::~Keeper() {
  control_.reset();
  forwarder_.reset();
  channel_.reset();  // the root ends everything when it sees that
  if (root_ != nullptr) {
    static_cast<void>(root_->wait(kEndTimeoutMs));
    root_.reset();
  }
  if (!claim_.is_open()) return;  // somebody else's cluster
  Status removed = cgroups_.remove(id_, 2'000);
  if (!removed.has_value()) log::warning("lab", "control groups stay", {{"reason", removed.error().message}});
}

Status Keeper::start_root() {
  claim_ = TRY(claim_cluster(id_));
  sweep_dead_clusters(cgroups_);
  Status swept = cgroups_.remove(id_, 2'000);
  if (!swept.has_value()) return swept.error().with_context("a process of the cluster's last run is still there");
  TRY(cgroups_.create(id_ + "/cluster"));
  auto [ours, theirs] = TRY(Channel::create_pair());
  io::Fd log = TRY(open_log(folders_, "root"));
  Enclosure enclosure;
  enclosure.command.arguments = options_.self;
  for (const std::string& word : {std::string("root"), options_.folder, std::to_string(kRootChannel)}) {
    enclosure.command.arguments.push_back(word);
  }
  enclosure.command.descriptors = {{theirs.fd(), kRootChannel}};
  enclosure.output = log.get();
  enclosure.cgroups = cgroups_.entrances(id_ + "/cluster");
  root_ = TRY(start_enclosed(std::move(enclosure)).with_context("start the cluster's root"));
  channel_ = std::move(ours);
  return poller_->add(channel_->fd(), EPOLLIN, [this](uint32_t) { on_root(); });
}

void Keeper::report(const json& line) {
  if (!report_.is_open()) return;
  std::string text = wire::json_text(line) + "\n";
  if (::write(report_.get(), text.data(), text.size()) < 0) report_.reset();
}

void Keeper::fail(const Error& error) {
  log::error("lab", "the cluster fails", {{"reason", error.message}});
  report({{"error", error_json(error)}});
  poller_->stop();
}

void Keeper::on_root() {
  auto packet = channel_->receive();
  if (!packet.has_value() || !packet->has_value()) {
    is_ready_ = false;
    return fail(make_error(Code::Unavailable, "the cluster's root ended; see " + folders_.log_of("root")));
  }
  auto message = wire::parse_json((*packet)->text);
  if (!message.has_value()) return fail(message.error());
  if (message->contains("event")) return on_event(*message, std::move((*packet)->descriptor));
  auto found = pending_.find(message->value("id", uint64_t{0}));
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  if (message->contains("error")) return pending.answer(answer_line(error_of((*message)["error"])));
  pending.answer(answer_line(pending.complete((*message)["result"])));
}

void Keeper::on_event(const json& event, io::Fd descriptor) {
  std::string kind = event.value("event", "");
  if (kind == "process") processes_[event.value("name", "")] = std::move(descriptor);
  if (kind == "progress") report({{"progress", event.value("text", "")}});
  if (kind == "failed") fail(error_of(event["error"]));
  if (kind != "ready") return;
  Status ready = become_ready();
  if (!ready.has_value()) return fail(ready.error());
  is_ready_ = true;
  report({{"ready", true}});
  report_.reset();
}

Status Keeper::become_ready() {
  io::Fd inside = TRY(network::open_netns("/proc/" + std::to_string(root_->pid()) + "/ns/net"));
  forwarder_ = std::make_unique<Forwarder>(*poller_, std::move(inside));
  auto earlier = earlier_ports();
  for (ForwardSpec& forward : options_.forwards) {
    bool has_wish = forward.port == 0 && earlier.contains(forward.name);
    ForwardSpec wished = forward;
    if (has_wish) wished.port = earlier[forward.name];
    Status set = set_forward(wished);
    if (!set.has_value() && has_wish) set = set_forward(forward);  // taken meanwhile: any will do
    TRY(std::move(set));
  }
  TRY(write_context());
  control_ = TRY(ControlServer::listen(
      *poller_, folders_.control(), [this](const std::string& line, auto answer) { obey(line, std::move(answer)); }));
  return {};
}

Status Keeper::set_forward(const ForwardSpec& spec) {
  std::vector<Target> targets;
  for (const std::string& text : spec.targets) targets.push_back(TRY(Target::parse(text)));
  for (size_t i = 1; spec.node_port != 0 && i <= options_.nodes.size(); ++i) {
    if (!options_.nodes[i - 1].is_hidden) targets.push_back({uplink_address(i), spec.node_port});
  }
  TRY(forwarder_->set(spec.name, spec.port, std::move(targets)));
  return {};
}

std::map<std::string, uint16_t> Keeper::earlier_ports() const {
  std::map<std::string, uint16_t> out;
  auto text = io::read_file(folders_.context());
  auto context = text.has_value() ? wire::parse_json(*text) : Result<json>(text.error());
  if (!context.has_value() || !context->is_object() || !context->contains("forwards")) return out;
  for (const json& forward : (*context)["forwards"]) {
    auto name = wire::json_string(forward, "name");
    auto port = wire::json_u64(forward, "port");
    if (name.has_value() && port.has_value() && *port <= 65535) out[*name] = static_cast<uint16_t>(*port);
  }
  return out;
}

Status Keeper::write_context() {
  json context = TRY(wire::parse_json(options_.context_json));
  context["id"] = id_;
  context["folder"] = options_.folder;
  context["forwards"] = forwards_json();
  return io::write_file(folders_.context(), wire::json_text(context, 2) + "\n", io::Durability::None, 0600);
}

json Keeper::forwards_json() const {
  json out = json::array();
  for (const auto& [name, entry] : forwarder_->entries()) {
    json targets = json::array();
    for (const Target& target : entry.targets) targets.push_back(target.text());
    out.push_back({{"name", name}, {"port", entry.port}, {"targets", targets}});
  }
  return out;
}

void Keeper::obey(const std::string& line, ControlServer::Answer answer) {
  auto request = wire::parse_json(line, ControlServer::kLineBytesMax, 8);
  auto command = request.has_value() ? wire::json_string(*request, "command") : Result<std::string>(request.error());
  if (!command.has_value()) return answer(answer_line(command.error()));
  if (*command == "status") return ask_root(*request, answer, [this](json result) { return complete_status(result); });
  if (*command == "down" || *command == "release" || *command == "forward" || *command == "remove-forward") {
    return answer(answer_line(obey_here(*command, *request)));
  }
  std::function<json(json)> complete = [](json result) { return result; };
  if (*command == "add-node") {
    complete = [this, added = *request](json result) {
      options_.nodes.push_back({added.value("name", ""), added.value("config", "{}"), added.value("hidden", false),
                                added.value("gateway", false)});
      for (const ForwardSpec& forward : options_.forwards) {
        if (forward.node_port != 0) static_cast<void>(set_forward(forward));
      }
      return result;
    };
  }
  ask_root(*request, answer, complete);
}

Result<json> Keeper::obey_here(const std::string& command, const json& request) {
  if (command == "down") {
    // Answered before the socket goes.
    poller_->after(0, [this] { poller_->stop(); });
    return json::object();
  }
  if (command == "release") {
    poller_->remove(owner_.get());
    owner_.reset();
    return json::object();
  }
  std::string name = TRY(wire::json_string(request, "name"));
  std::erase_if(options_.forwards, [&](const ForwardSpec& forward) { return forward.name == name; });
  if (command == "remove-forward") {
    forwarder_->remove(name);
    TRY(write_context());
    return json::object();
  }
  ForwardSpec spec;
  spec.name = name;
  uint64_t port = TRY(wire::json_u64(request, "port"));
  uint64_t node_port = TRY(wire::json_u64(request, "node_port"));
  if (port > 65535 || node_port > 65535) return make_error(Code::Invalid, "a port is at most 65535");
  spec.port = static_cast<uint16_t>(port);
  spec.node_port = static_cast<uint16_t>(node_port);
  for (const json& target : *TRY(wire::json_array(request, "targets"))) {
    if (!target.is_string()) return make_error(Code::Invalid, "targets must be strings like 10.250.0.1:7100");
    spec.targets.push_back(target.get<std::string>());
  }
  TRY(set_forward(spec));
  options_.forwards.push_back(spec);
  TRY(write_context());
  return json{{"port", forwarder_->entries()[name].port}};
}

void Keeper::ask_root(json request, ControlServer::Answer answer, std::function<json(json)> complete) {
  uint64_t id = ++last_request_;
  request["id"] = id;
  pending_[id] = {std::move(answer), std::move(complete)};
  Status sent = channel_->send(wire::json_text(request));
  if (sent.has_value()) return;
  pending_.at(id).answer(answer_line(sent.error()));
  pending_.erase(id);
}

json Keeper::complete_status(json status) {
  status["id"] = id_;
  status["folder"] = options_.folder;
  status["forwards"] = forwards_json();
  for (json& node : status["nodes"]) node["pid1"] = node["state"] == "up" ? pid_of(processes_[node["name"]]) : 0;
  for (json& service : status["services"]) {
    service["pid"] = service["state"] == "up" ? pid_of(processes_[service["name"]]) : 0;
  }
  return status;
}

}  // namespace

int run_keeper(const std::string& folder, int owner_descriptor, int report_descriptor) {
  // Two descriptors per forwarded connection.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  io::Fd report(::dup(report_descriptor));
  auto keeper = Keeper::create(folder, io::Fd(owner_descriptor), io::Fd(report_descriptor));
  Status started = keeper.has_value() ? (*keeper)->start_root() : Status(keeper.error());
  if (!started.has_value()) {
    std::string line = wire::json_text({{"error", error_json(started.error())}}) + "\n";
    static_cast<void>(!::write(report.get(), line.data(), line.size()));
    return 1;
  }
  report.reset();
  (*keeper)->run();
  return (*keeper)->is_good() ? 0 : 1;
}

}  // namespace mcloud::lab
