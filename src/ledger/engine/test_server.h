// A real ledger server in a test's hand: its own folder, members ann, bob, cyd, dan, any free port.
#pragma once

#include <doctest/doctest.h>

#include "base/log.h"
#include "io/clock.h"
#include "ledger/engine/server.h"
#include "ledger/state/keys.h"
#include "ledger/state/statements.h"
#include "ledger/state/test_chain.h"
#include "testing/temporary_folder.h"

namespace mcloud::ledger {

template <typename T>
T must(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), (result.has_value() ? std::string() : result.error().message));
  return std::move(*result);
}
inline void must(Status status) {
  REQUIRE_MESSAGE(status.has_value(), (status.has_value() ? std::string() : status.error().message));
}

// A data folder with the members ann, bob, cyd and dan.
inline Trust make_test_ledger(const std::string& folder, uint64_t fence_after_ms = 5'000) {
  std::vector<GenesisMember> members;
  for (const char* name : {"ann", "bob", "cyd", "dan"}) members.push_back({name, test_key(name).public_key()});
  pb::Parameters parameters = default_parameters(members);
  parameters.set_fence_after_ms(fence_after_ms);
  return must(init_ledger(folder, "test", members, parameters, io::SystemClock()));
}

// Signed CreateFarm bytes.
inline Bytes farm_transaction(std::string_view owner, std::string_view farm, uint64_t sequence) {
  crypto::SigningKey key = test_key(owner);
  pb::Transaction transaction;
  transaction.set_chain_id("test");
  transaction.set_sender(key.public_key().bytes());
  transaction.set_sequence(sequence);
  transaction.mutable_create_farm()->set_name(Bytes(farm));
  transaction.mutable_create_farm()->set_country("BE");
  return sign_transaction(transaction, key);
}

class TestServer {
 public:
  explicit TestServer(uint64_t fence_after_ms = 5'000) {
    log::set_level(log::Level::Error);
    make_test_ledger(folder_.path(), fence_after_ms);
    start();
  }

  void start() {
    Server::Options options;
    options.data_folder = folder_.path();
    server_ = must(Server::start(options));
  }
  void stop() { server_.reset(); }
  void restart() {
    stop();
    start();
  }

  Server& server() { return *server_; }
  const std::string& folder() const { return folder_.path(); }
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  const Clock& clock() const { return clock_; }

  std::unique_ptr<Client> client(const std::string& state_file = "") {
    return must(Client::open({{endpoint()}, server_->trust(), state_file, 5'000}, clock_));
  }

  // Signed with the sender's next sequence number, counted here.
  Bytes create_farm(std::string_view owner, std::string_view farm) {
    return farm_transaction(owner, farm, ++sequences_[std::string(owner)]);
  }
  void set_sequence(std::string_view sender, uint64_t last) { sequences_[std::string(sender)] = last; }
  Bytes admit(std::string_view owner, std::string_view farm, std::string_view node,
              const std::function<void(pb::AdmitNode&)>& change = {}) {
    TestChain chain;  // for its way to fill a token
    pb::AdmitNode action = chain.make_admission(owner, farm, node);
    pb::JoinToken token = must(wire::decode<pb::JoinToken>(action.token().token(), "token"));
    token.set_expires_ms(clock_.wall_ms() + 60'000);
    *action.mutable_token() = sign_join_token(token, test_key(owner));
    if (change) change(action);
    crypto::SigningKey key = test_key(node);
    pb::Transaction transaction;
    transaction.set_chain_id("test");
    transaction.set_sender(key.public_key().bytes());
    transaction.set_sequence(1);
    *transaction.mutable_admit_node() = action;
    return sign_transaction(transaction, key);
  }

 private:
  io::SystemClock clock_;
  testing::TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
  std::map<std::string, uint64_t> sequences_;
};

}  // namespace mcloud::ledger
