// Answers +OK to every request, and GET with as many bytes as VALUE said, and does nothing: what is left is the client's
// and the kernel's. Prints its port.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdio>
#include <map>

#include "io/file.h"
#include "wire/resp.h"

using namespace mcloud;

namespace {

struct Client {
  io::Fd fd;
  Bytes input;
  Bytes output;
  wire::RespRequestParser parser{{.allows_inline = true}};
};

// What every GET is answered with: the bulk string of a value.
Bytes value_reply = "$-1\r\n";

void reply(const std::vector<std::string_view>& arguments, Bytes& output) {
  if (arguments.size() == 3 && arguments[0] == "CONFIG") {  // redis-benchmark asks for two settings before it begins
    output += "*2\r\n$4\r\nsave\r\n$0\r\n\r\n";
  } else if (arguments.size() == 2 && arguments[0] == "GET") {
    output += value_reply;
  } else {
    if (arguments.size() == 2 && arguments[0] == "VALUE") {
      value_reply.clear();
      wire::RespWriter(value_reply, wire::RespVersion::Two).bulk(Bytes(std::stoul(std::string(arguments[1])), 'x'));
    }
    output += "+OK\r\n";
  }
}

bool serve(Client& client, char* scratch, size_t scratch_bytes) {
  ssize_t got = recv(client.fd.get(), scratch, scratch_bytes, 0);
  if (got <= 0) return false;
  client.input.append(scratch, static_cast<size_t>(got));
  size_t begin = 0;
  while (client.parser.parse(BytesView(client.input).substr(begin)) == wire::RespRequestParser::Step::Complete) {
    reply(client.parser.arguments(), client.output);
    begin += client.parser.size();
    client.parser.reset();
  }
  client.input.erase(0, begin);
  return true;
}

bool answer(Client& client) {
  size_t size = client.output.size();
  bool is_sent = send(client.fd.get(), client.output.data(), size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
  client.output.clear();
  return is_sent;
}

}  // namespace

int main() {
  io::Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), generic, size) != 0 || listen(listener.get(), 511) != 0) return 1;
  getsockname(listener.get(), generic, &size);
  std::printf("port %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  io::Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener.get()}};
  epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener.get(), &event);
  std::map<int, Client> clients;
  static char scratch[256 << 10];
  epoll_event events[256];
  for (;;) {
    int count = epoll_wait(epoll.get(), events, 256, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd != listener.get()) {
        if (!serve(clients[fd], scratch, sizeof scratch)) clients.erase(fd);
        continue;
      }
      int accepted = accept(fd, nullptr, nullptr);
      int one = 1;
      setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      clients[accepted].fd = io::Fd(accepted);
      event = {.events = EPOLLIN, .data = {.fd = accepted}};
      epoll_ctl(epoll.get(), EPOLL_CTL_ADD, accepted, &event);
    }
    // All replies of a round together, as the servers measured do: the client wakes up less often.
    for (int i = 0; i < count; i++) {
      auto found = clients.find(events[i].data.fd);
      if (found != clients.end() && !found->second.output.empty() && !answer(found->second)) clients.erase(found);
    }
  }
}
