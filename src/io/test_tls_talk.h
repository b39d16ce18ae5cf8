// Two TLS sessions that talk to each other in memory; for tests.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "io/tls.h"

namespace mcloud::io {

// What both sides say until neither has more; the first error of each side.
struct Talk {
  Talk(const std::shared_ptr<const TlsContext>& server_side, const std::shared_ptr<const TlsContext>& client_side, const std::string& host = "localhost")
      : server(TlsSession::accept(server_side).value()), client(TlsSession::connect(client_side, host).value()) {
    settle();
  }
  void pass(TlsSession& from, TlsSession& to, Bytes& heard, std::optional<Error>& error) {
    Bytes bytes(from.outgoing());
    from.sent(bytes.size());
    if (bytes.empty() || error) return;
    Status received = to.receive(bytes, heard);
    if (!received) error = received.error();
  }
  void settle() {
    while (!server->outgoing().empty() || !client->outgoing().empty()) {
      pass(*client, *server, server_heard, server_error);
      pass(*server, *client, client_heard, client_error);
    }
  }
  std::unique_ptr<TlsSession> server, client;
  Bytes server_heard, client_heard;
  std::optional<Error> server_error, client_error;
};

}  // namespace mcloud::io
