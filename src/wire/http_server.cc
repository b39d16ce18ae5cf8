#include "wire/http_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <thread>
#include <vector>

#include "base/log.h"
#include "io/clock.h"
#include "wire/http_connection.h"

namespace mcloud::wire {

namespace asio = boost::asio;
using asio::ip::tcp;
using local = asio::local::stream_protocol;

namespace {

Error listen_error(const boost::system::error_code& error, const std::string& where) {
  if (error == asio::error::address_in_use) {
    return make_error(Code::Conflict, "listen on " + where + ": another process listens there");
  }
  return errno_error(error.value(), "listen on " + where);
}

std::string peer_name(const tcp::socket& socket) {
  boost::system::error_code error;
  tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return "unknown";
  std::string address = peer.address().to_string();
  if (peer.address().is_v6()) address = "[" + address + "]";
  return address + ":" + std::to_string(peer.port());
}
std::string peer_name(const local::socket&) { return "unix"; }

class Server final : public HttpServer {
 public:
  Server(const Options& options, HttpHandler handler)
      : core_(std::make_shared<HttpCore>()),
        tcp_(core_->context),
        unix_(core_->context),
        sweep_(core_->context),
        workers_(std::make_unique<io::Pool>(options.workers, options.connections_max)) {
    core_->options = options;
    core_->handler = std::move(handler);
    core_->workers = workers_.get();
  }

  Status listen() {
    if (!core_->options.host.empty()) TRY(listen_tcp());
    if (!core_->options.unix_path.empty()) TRY(listen_unix());
    return {};
  }

  void run() {
    if (tcp_.is_open()) accept(tcp_);
    if (unix_.is_open()) accept(unix_);
    thread_ = std::jthread([core = core_] {
      auto work = asio::make_work_guard(core->context);
      core->context.run();
    });
  }

  ~Server() override {
    asio::post(core_->context, [this] {
      core_->workers = nullptr;
      boost::system::error_code ignored;
      tcp_.close(ignored);
      unix_.close(ignored);
      sweep_.cancel();
      auto connections = core_->connections;
      for (const auto& connection : connections) connection->close();
      closed_.set_value();
    });
    if (thread_.joinable()) closed_.get_future().wait();
    workers_.reset();  // handlers that run now end first
    core_->context.stop();
    if (thread_.joinable()) thread_.join();
    if (owns_unix_path_) ::unlink(core_->options.unix_path.c_str());
  }

  uint16_t port() const override { return port_; }

 private:
  Status listen_tcp();
  Status listen_unix();
  template <typename Acceptor>
  void accept(Acceptor& acceptor);
  template <typename Socket>
  void accepted(Socket socket);
  void sweep();

  std::shared_ptr<HttpCore> core_;
  tcp::acceptor tcp_;
  local::acceptor unix_;
  asio::steady_timer sweep_;
  bool is_sweeping_ = false;
  bool owns_unix_path_ = false;
  uint16_t port_ = 0;
  std::unique_ptr<io::Pool> workers_;
  std::promise<void> closed_;
  std::jthread thread_;
};

Status Server::listen_tcp() {
  const Options& options = core_->options;
  const std::string where = options.host + ":" + std::to_string(options.port);
  boost::system::error_code error;
  auto address = asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, error);
  if (error) return make_error(Code::Invalid, "listen on " + where + ": the host is not an IP address");
  tcp::endpoint endpoint(address, options.port);
  tcp_.open(endpoint.protocol(), error);
  if (!error) tcp_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) tcp_.bind(endpoint, error);
  if (!error) tcp_.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return listen_error(error, where);
  port_ = tcp_.local_endpoint().port();
  return {};
}

// A socket file that nobody listens on is left from a process that was killed.
Status remove_stale(asio::io_context& context, const std::string& path) {
  struct stat about{};
  if (::lstat(path.c_str(), &about) != 0) return {};
  if (!S_ISSOCK(about.st_mode)) {
    return make_error(Code::AlreadyExists, "listen on " + path + ": a file of another kind has this name");
  }
  local::socket probe(context);
  boost::system::error_code error;
  probe.connect(local::endpoint(path), error);
  if (error != asio::error::connection_refused) return listen_error(asio::error::address_in_use, path);
  ::unlink(path.c_str());
  return {};
}

Status Server::listen_unix() {
  const std::string& path = core_->options.unix_path;
  TRY(Endpoint::parse("unix:" + path));
  TRY(remove_stale(core_->context, path));
  boost::system::error_code error;
  unix_.open(local(), error);
  // Before bind: Linux gives the file the mode of the socket, so there is no moment when others may connect.
  if (!error && ::fchmod(unix_.native_handle(), 0600) != 0) error.assign(errno, boost::system::system_category());
  if (!error) unix_.bind(local::endpoint(path), error);
  owns_unix_path_ = !error;
  if (!error) unix_.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return listen_error(error, path);
  return {};
}

template <typename Acceptor>
void Server::accept(Acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](boost::system::error_code error, auto socket) {
    if (!acceptor.is_open()) return;
    if (!error) {
      accepted(std::move(socket));
      return accept(acceptor);
    }
    log::warning("wire", "cannot accept a connection", {{"error", error.message()}});
    // Out of descriptors: the connection stays in the queue, and asking again at once would spin.
    auto pause = std::make_shared<asio::steady_timer>(core_->context, std::chrono::milliseconds(100));
    pause->async_wait([this, &acceptor, pause](boost::system::error_code) {
      if (acceptor.is_open()) accept(acceptor);
    });
  });
}

template <typename Socket>
void Server::accepted(Socket socket) {
  std::string peer = peer_name(socket);
  auto connection =
      std::make_shared<HttpConnection>(*core_, HttpConnection::Socket(std::move(socket)), std::move(peer));
  bool has_room = core_->connections.size() < core_->options.connections_max;
  core_->connections.insert(connection);
  if (has_room) {
    connection->start();
  } else {
    connection->refuse({503, "the server has too many connections; try again later"});
  }
  if (!std::exchange(is_sweeping_, true)) sweep();
}

// Deadlines are looked at now and then instead of with a timer each: that costs nothing per request.
void Server::sweep() {
  const Options& options = core_->options;
  uint64_t shortest = std::min(options.idle_timeout_ms, options.request_timeout_ms);
  sweep_.expires_after(std::chrono::milliseconds(std::clamp<uint64_t>(shortest / 4, 10, 1000)));
  sweep_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    uint64_t now_ms = io::SystemClock().monotonic_ms();
    auto connections = core_->connections;
    for (const auto& connection : connections) connection->check_deadline(now_ms);
    is_sweeping_ = !core_->connections.empty();
    if (is_sweeping_) sweep();
  });
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options, HttpHandler handler) {
  auto server = std::make_unique<Server>(options, std::move(handler));
  TRY(server->listen());
  server->run();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace mcloud::wire
