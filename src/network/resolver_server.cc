#include "network/resolver_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "io/clock.h"
#include "io/process.h"
#include "network/links.h"
#include "network/resolver_config.h"
#include "network/resolver_control.h"

namespace mcloud::network {
namespace {

constexpr uint64_t kApplyTimeoutMs = 2'000;
constexpr uint64_t kEndTimeoutMs = 1'000;
constexpr uint64_t kPollMs = 5;

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

Status check_upstream(const std::string& text) {
  size_t at = text.find('@');
  std::string address = text.substr(0, at);
  in6_addr parsed{};
  bool good =
      ::inet_pton(AF_INET, address.c_str(), &parsed) == 1 || ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
  uint16_t port = 53;
  if (at != std::string::npos) {
    auto [rest, error] = std::from_chars(text.data() + at + 1, text.data() + text.size(), port);
    good = good && error == std::errc() && rest == text.data() + text.size() && port != 0;
  }
  if (good) return {};
  return make_error(Code::Invalid, "\"" + text + "\" is no DNS server like 192.0.2.1 or 192.0.2.1@5353");
}

// unbound of this folder, ours or one that an earlier agent has left; killed by nobody but end().
class Process {
 public:
  explicit Process(const ResolverOptions& options) : options_(options) {}
  ~Process() {
    if (child_ != nullptr) child_->abandon();
  }
  bool is_running() { return child_ != nullptr ? child_->is_running() : adopted_.is_open() && is_ours(adopted_pid_); }
  void adopt();
  Status start();
  void end();

 private:
  bool is_ours(int pid) const;
  const ResolverOptions& options_;
  std::unique_ptr<io::Child> child_;
  io::Fd adopted_;
  int adopted_pid_ = 0;
};

// By its command line: numbers of processes are given anew.
bool Process::is_ours(int pid) const {
  auto line = io::read_file("/proc/" + std::to_string(pid) + "/cmdline", 64 << 10);
  if (!line.has_value()) return false;
  return line->starts_with("unbound") && line->find(resolver_config_file(options_)) != std::string::npos;
}

void Process::adopt() {
  auto text = io::read_file(resolver_pid_file(options_), 64);
  int pid = 0;
  if (!text.has_value()) return;
  auto [rest, error] = std::from_chars(text->data(), text->data() + text->size(), pid);
  if (error != std::errc() || pid <= 1) return;
  adopted_ = io::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  adopted_pid_ = pid;
  if (!is_ours(pid)) adopted_.reset();
}

Status Process::start() {
  adopted_.reset();
  child_.reset();
  io::Command command;
  command.arguments = {"unbound", "-d", "-c", resolver_config_file(options_)};
  child_ =
      TRY(io::Child::start(command, {.die_with_parent = false, .new_session = true}).with_context("start unbound"));
  return {};
}

void Process::end() {
  if (child_ != nullptr) child_->stop(kEndTimeoutMs);
  child_.reset();
  if (!adopted_.is_open()) return;
  auto signal = [&](int number) { ::syscall(SYS_pidfd_send_signal, adopted_.get(), number, nullptr, 0); };
  // Not our child; its descriptor becomes readable when it has ended, also when nobody reaps it.
  for (int number : {SIGTERM, SIGKILL}) {
    signal(number);
    pollfd ended{adopted_.get(), POLLIN, 0};
    if (::poll(&ended, 1, static_cast<int>(kEndTimeoutMs)) == 1) break;
  }
  adopted_.reset();
}

class Server final : public Resolver {
 public:
  explicit Server(ResolverOptions options) : options_(std::move(options)), process_(options_) {
    bool has_user = !options_.user.empty() && ::getpwnam(options_.user.c_str()) != nullptr;
    user_ = has_user ? options_.user : "";
    process_.adopt();
  }
  Status apply(const std::vector<NetworkNames>& networks) override;

 private:
  Status start(const Views& views);
  Status reload(const Views& views);
  Status change(const Views& views);
  Status end();
  Status write_configuration(const Views& views);
  Status write_records(Ipv4 client, const std::vector<std::string>& records) const;
  Status wait_ready();
  void read_in_force();
  // While this file is there, what unbound holds is not what the files say.
  std::string changing_file() const { return options_.folder + "/changing"; }
  Status set_changing() const { return io::write_file(changing_file(), "", io::Durability::None); }

  ResolverOptions options_;
  Process process_;
  std::string user_;
  std::string config_;  // in force, "" = not known
  Views in_force_;
  uint64_t deadline_ms_ = 0;
};

Views views_of(const std::vector<NetworkNames>& networks) {
  Views out;
  for (const NetworkNames& names : networks) {
    if (!names.client.is_none()) out.emplace(names.client, records(names));  // two of one client: the first
  }
  return out;
}

Status Server::apply(const std::vector<NetworkNames>& networks) {
  deadline_ms_ = now_ms() + kApplyTimeoutMs;
  Views views = views_of(networks);
  if (views.empty()) return end();
  Links links = TRY(Links::open());
  Link lo = TRY(links.get("lo"));
  Ipv4 own = TRY(Ipv4::parse(kResolverAddress));
  TRY(links.add_address(lo.index, own, 32));
  // A node without IPv6 answers over IPv4: unbound takes an address that is not there. The kernel brings one into force
  // a moment after it was added, and answers questions before that with "no route".
  Ipv6 own6 = TRY(Ipv6::parse(kResolverAddress6));
  if (links.add_address6(lo.index, own6, 128).has_value()) TRY(links.wait_address6(own6));
  if (!process_.is_running()) return start(views);
  if (config_.empty()) read_in_force();
  std::set<Ipv4> clients;
  for (const auto& [client, lines] : views) clients.insert(client);
  bool is_certain = !io::exists(changing_file());
  if (is_certain && resolver_config(options_, user_, resolver_clients(clients)) == config_) return change(views);
  return reload(views);
}

void Server::read_in_force() {
  auto text = [](const std::string& path) {
    auto bytes = io::read_file(path);
    return bytes.has_value() ? std::move(bytes).value() : std::string();
  };
  config_ = text(resolver_config_file(options_));
  in_force_.clear();
  auto files = io::list_folder(resolver_data_folder(options_));
  if (!files.has_value()) return;
  for (const std::string& file : *files) {
    auto client = Ipv4::parse(file.substr(0, file.rfind('.')));
    if (client.has_value()) in_force_[*client] = resolver_records(text(resolver_data_folder(options_) + "/" + file));
  }
}

Status Server::write_records(Ipv4 client, const std::vector<std::string>& records) const {
  std::string path = resolver_data_file(options_, client);
  if (records.empty()) return io::remove_tree(path);
  return io::write_file(path, resolver_data(records), io::Durability::None);
}

Status Server::write_configuration(const Views& views) {
  for (const std::string& folder : {options_.folder, resolver_data_folder(options_)}) TRY(io::make_folders(folder));
  TRY(set_changing());
  if (config_.empty()) read_in_force();
  for (const auto& [client, records] : in_force_) {
    if (!views.contains(client)) TRY(write_records(client, {}));
  }
  std::set<Ipv4> clients;
  for (const auto& [client, records] : views) {
    TRY(write_records(client, records));
    clients.insert(client);
  }
  in_force_ = views;
  config_ = resolver_config(options_, user_, resolver_clients(clients));
  return io::write_file(resolver_config_file(options_), config_, io::Durability::None);
}

Status Server::wait_ready() {
  ResolverControl control(resolver_control_socket(options_));
  while (true) {
    auto status = control.ask("status", deadline_ms_);
    if (status.has_value()) return {};
    if (!process_.is_running()) return make_error(Code::Unavailable, "unbound ended as soon as it was started");
    if (now_ms() >= deadline_ms_) return status.error();
    ::usleep(kPollMs * 1000);  // until its socket is there; nothing tells of it
  }
}

Status Server::start(const Views& views) {
  TRY(write_configuration(views));
  TRY(io::remove_tree(resolver_control_socket(options_)));
  TRY(process_.start());
  TRY(wait_ready());
  log::info("network", "unbound runs", {{"views", std::to_string(views.size())}});
  return io::remove_tree(changing_file());
}

Status Server::reload(const Views& views) {
  TRY(write_configuration(views));
  ResolverControl control(resolver_control_socket(options_));
  TRY(control.ask("reload", deadline_ms_));
  TRY(wait_ready());
  return io::remove_tree(changing_file());
}

Status Server::change(const Views& views) {
  std::map<Ipv4, std::vector<ResolverChange>> changes;
  auto of = [](const Views& all, Ipv4 client) {
    auto found = all.find(client);
    return found == all.end() ? std::vector<std::string>() : found->second;
  };
  Views clients = in_force_;
  for (const auto& [client, records] : views) clients[client] = records;
  for (const auto& [client, records] : clients) {
    auto steps = resolver_changes(of(in_force_, client), of(views, client));
    if (!steps.empty()) changes[client] = std::move(steps);
  }
  if (changes.empty()) return {};
  TRY(set_changing());
  ResolverControl control(resolver_control_socket(options_));
  for (const auto& [client, steps] : changes) {
    TRY(write_records(client, of(views, client)));
    for (const ResolverChange& step : steps) TRY(control.change(client, step, deadline_ms_));
  }
  in_force_ = views;
  return io::remove_tree(changing_file());
}

Status Server::end() {
  if (!io::exists(options_.folder)) return {};
  process_.end();
  in_force_.clear();
  config_.clear();
  TRY(io::remove_tree(options_.folder));
  Links links = TRY(Links::open());
  Link lo = TRY(links.get("lo"));
  Ipv4 own = TRY(Ipv4::parse(kResolverAddress));
  static_cast<void>(links.remove_address6(lo.index, TRY(Ipv6::parse(kResolverAddress6)), 128));
  return links.remove_address(lo.index, own, 32);
}

}  // namespace

Result<std::unique_ptr<Resolver>> open_resolver(const ResolverOptions& options) {
  for (const std::string& upstream : options.upstreams) TRY(check_upstream(upstream));
  bool is_path = options.folder.starts_with("/") && options.folder.find_first_of("\"\n*?[") == std::string::npos;
  if (!is_path)
    return make_error(Code::Invalid, "the resolver's folder must be an absolute path without \", *, ? or [");
  return std::unique_ptr<Resolver>(std::make_unique<Server>(options));
}

}  // namespace mcloud::network
