#include <cstdio>

#include "io/clock.h"
#include "ledger/engine/server.h"
#include "ledger/state/statements.h"
#include "load.h"
#include "sides.h"

namespace mcloud::bench {
namespace {

constexpr std::string_view kChain = "bench";

// Identities that each create farms: a transaction with one signature, two changed records.
class Signers {
 public:
  explicit Signers(size_t count) {
    for (size_t i = 0; i < count; ++i) signers_.push_back({crypto::SigningKey::generate(), 0});
  }
  std::vector<ledger::GenesisMember> members() const {
    std::vector<ledger::GenesisMember> members;
    for (size_t i = 0; i < signers_.size(); ++i) {
      members.push_back({"member-" + std::to_string(i), signers_[i].key.public_key()});
    }
    return members;
  }
  size_t size() const { return signers_.size(); }

  Bytes next_transaction(size_t index) {
    Signer& signer = signers_[index];
    pb::Transaction transaction;
    transaction.set_chain_id(Bytes(kChain));
    transaction.set_sender(signer.key.public_key().bytes());
    transaction.set_sequence(++signer.sequence);
    transaction.mutable_create_farm()->set_name("farm-" + std::to_string(++farms_));
    transaction.mutable_create_farm()->set_country("BE");
    return ledger::sign_transaction(transaction, signer.key);
  }

 private:
  struct Signer {
    crypto::SigningKey key;
    uint64_t sequence = 0;
  };
  std::vector<Signer> signers_;
  size_t farms_ = 0;
};

// Each connection speaks for its own share of the identities, so that sequence numbers arrive in order.
std::vector<std::vector<Request>> prepare(Signers& signers, const Work& work, size_t transactions) {
  std::vector<std::vector<Request>> requests(work.connections);
  size_t share = signers.size() / work.connections;
  for (size_t connection = 0; connection < work.connections; ++connection) {
    size_t turn = 0;
    for (size_t made = 0; made < transactions / work.connections; made += work.per_request) {
      std::string body = "{\"wait\":true,\"transactions\":[";
      for (size_t i = 0; i < work.per_request; ++i) {
        Bytes bytes = signers.next_transaction(connection * share + turn++ % share);
        body += (i == 0 ? "\"" : ",\"") + to_base64(bytes) + "\"";
      }
      requests[connection].push_back({"/v1/transactions", body + "]}"});
    }
  }
  return requests;
}

size_t executed_in(const LoadResult& result) {
  constexpr std::string_view mark = "\"ok\":true";
  size_t count = 0;
  for (const std::string& body : result.bodies) {
    for (size_t at = body.find(mark); at != std::string::npos; at = body.find(mark, at + 1)) ++count;
  }
  return count;
}

Result<size_t> all_executed(const LoadResult& result, const Work& work) {
  size_t executed = executed_in(result);
  if (executed == result.answered * work.per_request) return executed;
  return make_error(Code::Internal, "only " + std::to_string(executed) + " of " +
                                        std::to_string(result.answered * work.per_request) +
                                        " transactions were executed: " + result.bodies[0].substr(0, 500));
}

}  // namespace

Result<Figures> run_ledger(const Work& work) {
  Signers signers(work.identities);
  io::SystemClock clock;
  std::string folder = work.folder + "/ledger";
  auto members = signers.members();
  auto parameters = ledger::default_parameters({members[0]});
  TRY(ledger::init_ledger(folder, std::string(kChain), members, parameters, clock));
  ledger::Server::Options options;
  options.data_folder = folder;
  auto server = TRY(ledger::Server::start(options));
  LoadOptions load;
  load.endpoint = TRY(wire::Endpoint::parse("http://127.0.0.1:" + std::to_string(server->port())));

  std::printf("signing %zu transactions of %zu identities\n", work.transactions * 3 / 2, work.identities);
  load.requests = prepare(signers, work, work.transactions);
  auto half_requests = prepare(signers, work, work.transactions / 2);
  std::printf("ledger: as fast as it answers\n");
  LoadResult fast = TRY(run_load(load));
  size_t executed = TRY(all_executed(fast, work));
  Figures figures;
  figures.per_second = static_cast<double>(executed) / fast.seconds;
  std::printf("ledger: %.0f transactions/s, p50 %.1f ms, p99 %.1f ms, %llu blocks\n", figures.per_second,
              fast.percentile_ms(.5), fast.percentile_ms(.99),
              static_cast<unsigned long long>(server->tip().head.height));

  load.requests = std::move(half_requests);
  load.requests_per_second = figures.per_second / 2 / static_cast<double>(work.per_request);
  LoadResult half = TRY(run_load(load));
  TRY(all_executed(half, work));
  figures.p50_ms = half.percentile_ms(.5);
  figures.p99_ms = half.percentile_ms(.99);
  figures.name = "mcloud-ledger-solo";
  figures.durability = "each block fdatasync'd before its transactions are acknowledged";
  figures.command = "mcloud ledger serve (in process), " + std::to_string(work.connections) + " connections, " +
                    std::to_string(work.per_request) +
                    " signed transactions a request, signatures verified by the server";
  figures.remark = "every transaction changes two records of the authenticated state";
  return figures;
}

}  // namespace mcloud::bench
