#include "gateway/udp_doors.h"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <list>
#include <map>
#include <numeric>
#include <thread>  // the loop's: HAProxy's driver blocks, datagrams must not wait for it
#include <unordered_map>

#include "gateway/access_log.h"
#include "gateway/tunnel/datagrams.h"
#include "gateway/udp_flow_log.h"
#include "gateway/udp_socket.h"

namespace mcloud::gateway {
namespace {

constexpr int kTickMs = 500;
constexpr int kDatagramsMax = 64;  // of a port in one turn

// Closed: not there, or it takes none.
io::Fd connect_target(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.is_open() && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

// One port and its clients. One loop.
class Port {
 public:
  // `figures` are borrowed.
  Port(const UdpDoors::Limits& limits, Poller& poller, UdpFlowLog log, UdpFigures& figures)
      : limits_(limits), poller_(poller), log_(std::move(log)), figures_(figures) {}
  ~Port() {
    while (!order_.empty()) end(*order_.front(), "closed");
    log_.say_sums();
  }

  // On an IPv4 address, one of IPv6, or all; beside IPv4 always all of IPv6, where the machine has it.
  Status open(const std::string& address, uint16_t port) {
    bool is_v6 = address.find(':') != address.npos;
    Address first = TRY(make_address(address.empty() ? "0.0.0.0" : address, port));
    io::Fd socket = TRY(open_udp_port(first));
    TRY(add_socket(std::move(socket)));
    if (is_v6) return {};
    Address all = TRY(make_address("::", port));
    Result<io::Fd> other = open_udp_port(all);
    return other.has_value() ? add_socket(std::move(*other)) : Status();
  }
  void put(const UdpDoor& door) {
    if (door.targets != door_.targets) credits_.assign(door.targets.size(), 0);
    door_ = door;
  }
  const UdpDoor& door() const { return door_; }
  size_t flows() const { return flows_.size(); }

  void clear_round() { ended_.clear(); }
  void tick() {
    uint64_t now_us = poller_.now_us();
    for (auto flow = order_.begin(); flow != order_.end();) {
      Flow& each = **flow++;
      if (now_us > each.heard_us + (each.is_answered ? limits_.answered_us : limits_.unanswered_us)) end(each, "silent");
    }
    log_.tick(now_us);
  }

 private:
  struct Socket final : Watcher {
    Socket(Port& its_port, io::Fd its_fd) : port(its_port), fd(std::move(its_fd)) {}
    ~Socket() override {
      port.poller_.forget(*this);
      port.poller_.remove(fd.get());
    }
    void on_events(uint32_t) override { port.poller_.touch(*this); }
    void on_turn() override { port.read(*this); }
    Port& port;
    io::Fd fd;
  };
  struct Flow {
    Origin origin;
    int fd = -1;  // the socket's that it came by
    std::unique_ptr<DatagramStream> stream;
    std::string server;
    UdpCounts counts;
    uint64_t begun_us = 0, heard_us = 0, last_us = 0;  // last: either way
    bool is_answered = false;
    bool has_ended = false;
    std::list<Flow*>::iterator place;  // in order_
  };

  Status add_socket(io::Fd fd) {
    int number = fd.get();
    sockets_.push_back(std::make_unique<Socket>(*this, std::move(fd)));
    return poller_.add(number, *sockets_.back());
  }

  void read(Socket& socket) {
    Origin origin;
    for (int count = 0;; ++count) {
      if (count == kDatagramsMax) return poller_.touch(socket);
      ssize_t got = receive_datagram(socket.fd.get(), poller_.buffer(), Poller::kBufferBytes, origin);
      // An error of an answer that went before is told here, and is nobody's any more.
      if (got < 0 && errno == EAGAIN) return;
      if (got >= 0) lead(socket, origin, {poller_.buffer(), static_cast<size_t>(got)});
    }
  }

  bool is_allowed(const Origin& origin) const {
    return door_.allow.empty() || std::ranges::any_of(door_.allow, [ip = ip_of(origin.client)](const IpPrefix& range) { return range.holds(ip); });
  }

  void lead(Socket& socket, const Origin& origin, BytesView datagram) {
    if (!is_allowed(origin)) return;
    auto known = flows_.find(origin.key());
    Flow* flow = known == flows_.end() ? begin(socket, origin) : known->second.get();
    if (flow == nullptr) return;
    flow->heard_us = flow->last_us = poller_.now_us();
    order_.splice(order_.end(), order_, flow->place);
    if (!flow->stream->push(datagram)) {
      ++flow->counts.dropped;
      return;
    }
    ++flow->counts.datagrams_in;
    flow->counts.bytes_in += datagram.size();
    figures_.bytes_in += datagram.size();
  }

  Flow* begin(Socket& socket, const Origin& origin) {
    std::string server;
    io::Fd target = choose(server);
    if (!target.is_open()) return nullptr;
    if (flows_.size() >= limits_.flows_max) end(*order_.front(), "room");
    auto flow = std::make_unique<Flow>();
    Flow* key = flow.get();
    flow->origin = origin;
    flow->fd = socket.fd.get();
    flow->server = std::move(server);
    flow->begun_us = poller_.now_us();
    auto stream = DatagramStream::begin(std::move(target), poller_, {[this, key](BytesView bytes) { answer(*key, bytes); }, [this, key] { end(*key, "replica"); }});
    if (!stream.has_value()) return nullptr;
    ++figures_.flows;
    flow->stream = std::move(*stream);
    flow->place = order_.insert(order_.end(), key);
    return (flows_[origin.key()] = std::move(flow)).get();
  }

  // In turn by weight, of those that can be reached: each gets credit for its weight, and who has most pays for the flow. So turns are mixed
  // however large the weights are.
  io::Fd choose(std::string& name) {
    std::vector<size_t> left(door_.targets.size());
    std::iota(left.begin(), left.end(), size_t{0});
    for (size_t index : left) credits_[index] += door_.targets[index].weight;
    while (!left.empty()) {
      auto most = std::ranges::max_element(left, {}, [&](size_t index) { return credits_[index]; });
      const UdpDoor::Target& target = door_.targets[*most];
      io::Fd socket = connect_target(target.socket);
      if (socket.is_open()) {
        for (size_t index : left) credits_[*most] -= door_.targets[index].weight;
        name = target.name;
        return socket;
      }
      credits_[*most] = 0;  // it has nothing to catch up on when it comes
      left.erase(most);
    }
    return {};
  }

  void answer(Flow& flow, BytesView bytes) {
    if (flow.has_ended) return;
    flow.is_answered = true;
    flow.last_us = poller_.now_us();
    if (!answer_datagram(flow.fd, flow.origin, bytes)) {
      ++flow.counts.dropped;
      return;
    }
    ++flow.counts.datagrams_out;
    flow.counts.bytes_out += bytes.size();
    figures_.bytes_out += bytes.size();
  }

  // Its stream may be what calls: it is destroyed when the round is over.
  void end(Flow& flow, std::string_view why) {
    if (std::exchange(flow.has_ended, true)) return;
    log_.add({flow.origin.client, flow.server, flow.counts, (flow.last_us - flow.begun_us) / 1'000, why}, poller_.now_us());
    order_.erase(flow.place);
    auto found = flows_.find(flow.origin.key());
    ended_.push_back(std::move(found->second));
    flows_.erase(found);
  }

  const UdpDoors::Limits limits_;
  Poller& poller_;
  UdpFlowLog log_;
  UdpFigures& figures_;
  UdpDoor door_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::unordered_map<Bytes, std::unique_ptr<Flow>> flows_;  // by client
  std::list<Flow*> order_;                                  // silent for longest first
  std::vector<std::unique_ptr<Flow>> ended_;
  std::vector<int64_t> credits_;  // of door_.targets, for turns
};

class Doors final : public UdpDoors {
 public:
  Doors(const Options& options, io::Fd log_pipe, std::unique_ptr<Poller> poller)
      : options_(options), log_pipe_(std::move(log_pipe)), poller_(std::move(poller)), thread_([this] { run(); }) {}
  ~Doors() override {
    poller_->post([this] { is_stopping_ = true; });
    thread_.join();
  }

 private:
  // In the loop's thread.
  template <typename Function>
  auto ask(Function function) const {
    std::promise<decltype(function())> answer;
    auto future = answer.get_future();
    poller_->post([&] { answer.set_value(function()); });
    return future.get();
  }

 public:
  std::map<std::string, std::string> put(const std::vector<UdpDoor>& doors) override {
    return ask([&] { return put_here(doors); });
  }
  size_t flows() const override {
    return ask([this] {
      size_t count = 0;
      for (const auto& [number, port] : ports_) count += port->flows();
      return count;
    });
  }
  std::map<std::string, UdpFigures> figures() const override {
    return ask([this] {
      std::map<std::string, UdpFigures> open;
      for (const auto& [number, port] : ports_) open[port->door().name] = figures_.at(port->door().name);
      return open;
    });
  }

 private:
  std::map<std::string, std::string> put_here(const std::vector<UdpDoor>& doors) {
    // Another site's flows are not the next one's that has the port.
    std::erase_if(ports_, [&](const auto& known) {
      return std::ranges::none_of(doors, [&](const UdpDoor& door) { return door.port == known.first && door.name == known.second->door().name; });
    });
    std::erase_if(figures_, [&](const auto& known) {
      return std::ranges::none_of(doors, [&](const UdpDoor& door) { return door.name == known.first; });
    });
    std::map<std::string, std::string> problems;
    for (const UdpDoor& door : doors) {
      std::unique_ptr<Port>& port = ports_[door.port];
      if (port == nullptr) {
        port = std::make_unique<Port>(options_.limits, *poller_, UdpFlowLog(door.name, door.port, [this](std::string_view line) { return say(line); }),
                                      figures_[door.name]);
        Status opened = port->open(options_.address, door.port);
        if (!opened.has_value()) {
          problems[door.name] = "udp port " + std::to_string(door.port) + ": " + opened.error().message;
          ports_.erase(door.port);
          continue;
        }
      } else if (port->door().name != door.name) {
        problems[door.name] = "udp port " + std::to_string(door.port) + " is another one's";
        continue;
      }
      port->put(door);
    }
    return problems;
  }

  // Whole or not at all: it is shorter than what a pipe takes at once (pipe(7): PIPE_BUF).
  bool say(std::string_view line) const {
    return !log_pipe_.is_open() || ::write(log_pipe_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
  }

  void run() {
    uint64_t ticked_us = 0;
    while (!is_stopping_) {
      poller_->run_once(kTickMs);
      bool is_time = poller_->now_us() > ticked_us + kTickMs * 1'000ull;
      if (is_time) ticked_us = poller_->now_us();
      for (auto& [number, port] : ports_) {
        if (is_time) port->tick();
        port->clear_round();
      }
    }
    ports_.clear();
  }

  const Options options_;
  const io::Fd log_pipe_;
  const std::unique_ptr<Poller> poller_;
  std::map<std::string, UdpFigures> figures_;  // by name, of all that are wanted
  std::map<uint16_t, std::unique_ptr<Port>> ports_;
  bool is_stopping_ = false;
  std::thread thread_;  // the last member
};

}  // namespace

Result<std::unique_ptr<UdpDoors>> UdpDoors::start(const Options& options) {
  std::unique_ptr<Poller> poller = TRY(Poller::create());
  io::Fd log_pipe;
  if (!options.log_pipe.empty()) log_pipe = TRY(open_log_pipe(options.log_pipe));
  return std::unique_ptr<UdpDoors>(new Doors(options, std::move(log_pipe), std::move(poller)));
}

}  // namespace mcloud::gateway
