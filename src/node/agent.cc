#include "node/agent.h"

#include <algorithm>

#include "base/log.h"
#include "io/file.h"
#include "io/loop.h"
#include "node/exit_watch.h"
#include "node/followed_containers.h"
#include "node/identity.h"
#include "node/ledger_reader.h"
#include "node/liveness.h"
#include "node/rejoin_pace.h"
#include "node/report_book.h"
#include "node/user_ranges.h"
#include "node/work.h"

namespace mcloud::node {
namespace {

constexpr uint64_t kRetryMs = 500;
constexpr uint64_t kRetryMaxMs = 5'000;

class RealAgent final : public Agent {
 public:
  RealAgent(const AgentPorts& ports, const crypto::SigningKey& key, Options options, UserRanges ranges)
      : ports_(ports),
        key_(key),
        options_(std::move(options)),
        ranges_(std::move(ranges)),
        reconciler_(options_.limits),
        reader_(
            ports.read, key,
            {.memory_file = options_.data_folder + "/memory", .evidence_folder = options_.data_folder + "/evidence"}),
        sender_(ports.submit, key),
        liveness_(options_.liveness_file),
        jobs_(jobs_max(options_.limits), jobs_max(options_.limits)),
        follow_(1, 2),
        read_(1, 2),
        submit_(1, 2),
        telemetry_(1, 2),
        exits_(loop_, ports_.containers, reconciler_, ports_.clock, [this] { pump(); }),
        house_(loop_, ports_.containers, reconciler_, ports_.clock, options_.house, [this] { pump(); }) {}

  Status look() {
    Reconciler::Found found;
    found.containers = TRY(ports_.containers.list().with_context("look at containers"));
    found.volumes = TRY(ports_.volumes.list().with_context("look at volumes"));
    found.networks = TRY(ports_.networks.list().with_context("look at networks"));
    found.disks = TRY(ports_.containers.disks().with_context("look at disks"));
    log::info("node", "agent begins",
              {{"node", key_.public_key().hex()},
               {"containers", std::to_string(found.containers.size())},
               {"volumes", std::to_string(found.volumes.size())}});
    reconciler_.found(found, ports_.read.trust().chain_id);
    pb::LocalLiveness last = liveness_.read();
    fence_after_ms_ = last.fence_after_ms();
    reconciler_.set_contact(last.last_contact_ms(), last.fence_after_ms());
    recall();
    return {};
  }

  // Until the ledger speaks: what runs is looked after as it was, nothing else.
  void recall() {
    auto view = reader_.recall();
    if (!view.has_value()) return;
    Orders orders = build_orders(*view);
    orders.is_remembered = true;
    give_user_ids(orders, ranges_);
    // What came after the memory was written is not ours to judge.
    for (const auto& running : reconciler_.running()) {
      if (!orders.containers.contains(running.replica)) orders.desired.unverified.insert(running.replica);
    }
    reconciler_.set_orders(std::move(orders), now());
  }

  void run() override {
    loop_.post([this] {
      follow();
      read();
      exits_.begin();
      push_telemetry();
      house_.begin();
      pump();
    });
    loop_.run();
  }
  void stop() override { loop_.stop(); }
  void stop_on_signals() override { loop_.stop_on_signals(); }

 private:
  static size_t jobs_max(const Reconciler::Limits& limits) {
    return limits.start_jobs + limits.stop_jobs + limits.image_jobs + limits.probes + limits.measures + limits.asks + 1;
  }
  uint64_t now() const { return ports_.clock.monotonic_ms(); }

  // ---- the ledger --------------------------------------------------------------------------------

  void follow() {
    uint64_t wait_ms = std::clamp<uint64_t>(fence_after_ms_ / 10, 50, 1'000);
    follow_.submit([this, wait_ms, above = height_] {
      // What an answer says was true after its question: however long it was under way, it is not younger.
      uint64_t asked = now();
      auto head = ports_.follow.wait_for_head(above, wait_ms);
      uint64_t contact = ports_.follow.last_contact_ms() >= asked ? asked : 0;
      loop_.post([this, head = std::move(head), contact] { on_head(head, contact); });
    });
  }

  void on_head(const Result<std::optional<ledger::Head>>& head, uint64_t contact) {
    if (head.has_value() && *head) height_ = std::max(height_, (*head)->height);
    if (contact > 0) on_contact(contact);
    if (!head.has_value()) {
      if (follow_failures_++ == 0)
        log::warning("node", "the ledger does not answer", {{"reason", head.error().message}});
      follow_timer_ =
          loop_.after(std::min(kRetryMs, std::max<uint64_t>(fence_after_ms_ / 20, 20)), [this] { follow(); });
      pump();
      return;
    }
    if (std::exchange(follow_failures_, 0) > 0) log::info("node", "the ledger answers again");
    if (*head) read();
    follow();
    pump();
  }

  // A contact says that nothing newer than `height_` was to be had at that moment. It makes our orders fresh only
  // when they are of that height: after a cut the first answer comes before we know what was moved meanwhile.
  void on_contact(uint64_t contact) {
    contact_ms_ = std::max(contact_ms_, contact);
    if (read_height_ >= height_) set_contact(contact_ms_);
  }

  void set_contact(uint64_t contact) {
    if (contact <= fresh_ms_) return;
    fresh_ms_ = contact;
    reconciler_.set_contact(fresh_ms_, fence_after_ms_);
    liveness_.contact(fresh_ms_);
  }

  void read() {
    if (is_reading_) {
      read_again_ = true;
      return;
    }
    is_reading_ = true;
    read_again_ = false;
    asked_height_ = height_;
    read_.submit([this] {
      uint64_t asked = now();
      auto reading = reader_.read();
      loop_.post([this, reading = std::move(reading), asked]() mutable { on_reading(std::move(reading), asked); });
    });
  }

  void on_reading(Result<LedgerReader::Reading> reading, uint64_t asked) {
    is_reading_ = false;
    // A server that lags behind the one we follow has not told us enough.
    bool is_complete = reading.has_value() && reading->is_complete && reading->head.height >= height_;
    if (!reading.has_value()) on_unread(reading.error());
    if (reading.has_value()) {
      if (reading->view) take_over(*reading);
      read_height_ = reading->head.height;
      // What was the newest when it was asked for was not old then, though blocks have come since: a ledger that is
      // busier than we can read does not make us isolated.
      if (read_height_ >= asked_height_) set_contact(asked);
      on_contact(contact_ms_);
    }
    if (read_again_) {
      read();
    } else if (!is_complete) {
      read_pause_ms_ = std::clamp(read_pause_ms_ * 2, kRetryMs, kRetryMaxMs);
      read_timer_ = loop_.after(read_pause_ms_, [this] { read(); });
    } else {
      read_pause_ms_ = 0;
    }
    pump();
  }

  void on_unread(const Error& error) {
    log::warning("node", "reading the ledger failed", {{"reason", error.message}});
    if (error.code != Code::NotFound || !options_.join || is_sending_) return;
    is_sending_ = true;
    submit_.submit([this] {
      Status joined = options_.join();
      loop_.post([this, joined = std::move(joined)] {
        is_sending_ = false;
        if (joined.has_value()) {
          log::info("node", "this node is on the ledger");
          read_pause_ms_ = 0;
          read();
        } else {
          log::error("node", "joining failed", {{"reason", joined.error().message}});
        }
        pump();
      });
    });
  }

  void take_over(const LedgerReader::Reading& reading) {
    Orders orders = build_orders(*reading.view);
    give_user_ids(orders, ranges_);
    std::set<ContractId> contracts;
    for (const auto& [replica, assigned] : orders.assigned) contracts.insert(replica.contract);
    for (const ContractId& contract : ranges_.contracts()) {
      if (!reconciler_.is_gone(contract)) contracts.insert(contract);
    }
    if (Status kept = ranges_.keep_only(contracts); !kept.has_value()) {
      log::error("node", "user ranges are not saved", {{"reason", kept.error().message}});
    }
    for (const ContractId& contract : reading.fresh) note_recorded(reading.view->contracts.at(contract), contract);
    fence_after_ms_ = orders.fence_after_ms;
    if (orders.fenced != is_fenced_) {
      is_fenced_ = orders.fenced;
      log::warning("node", is_fenced_ ? "this node is fenced" : "this node is online",
                   {{"epoch", std::to_string(orders.node_epoch)}});
    }
    liveness_.node(orders.node_epoch, orders.fence_after_ms);
    has_read_ = true;
    reconciler_.set_orders(std::move(orders), now());
  }

  void note_recorded(const ContractView& view, const ContractId& contract) {
    for (const auto& [name, workload] : view.workloads) {
      for (const pb::Replica& replica : workload.replicas()) {
        if (replica.node() == key_.public_key().view()) book_.recorded({contract, name, replica.index()}, replica);
      }
    }
  }

  // ---- jobs ----------------------------------------------------------------------------------------

  // Everything that can be done now is begun; called after anything that may have changed something.
  void pump() {
    for (const Job& job : reconciler_.take_jobs(now())) begin(job);
    book_.set(reconciler_.reports(), now());
    report();
    rejoin();
    // What is under way to the ledger is followed by another pump().
    bool may_report = !is_fenced_ && !is_sending_ && has_read_;
    uint64_t next = std::min(reconciler_.next_ms(now()), may_report ? book_.next_ms() : UINT64_MAX);
    if (next == UINT64_MAX) {
      pump_timer_.cancel();
      return;
    }
    uint64_t at = now();
    pump_timer_ = loop_.after(next > at ? std::min<uint64_t>(next - at, 60'000) : 1, [this] { pump(); });
  }

  void begin(const Job& job) {
    if (!is_look(job.kind)) {
      log::debug("node", job_name(job.kind), {{"replica", describe(job.replica)}});
    }
    bool is_taken = jobs_.submit([this, job, begun = now()] {
      JobOutcome outcome = execute(ports_, job);
      loop_.post([this, job, begun, outcome = std::move(outcome)] {
        if (outcome.status.has_value() && !is_look(job.kind)) {
          log::info("node", std::string(job_name(job.kind)) + " done",
                    {{"replica", describe(job.replica)}, {"ms", std::to_string(now() - begun)}});
        }
        if (job.kind == JobKind::AskMember) note_group(job, outcome);
        on_done(job, outcome);
      });
    });
    // The pool is as large as all limits together.
    if (is_taken) return;
    loop_.post(
        [this, job] { on_done(job, {.status = make_error(Code::Unavailable, "no thread is free"), .networks = {}}); });
  }

  // Questions are asked all the time; what a member was told is worth a line.
  static void note_group(const Job& job, const JobOutcome& outcome) {
    if (job.group.verb == GroupVerb::Status) return;
    std::string result = outcome.status.has_value() ? outcome.group.reason : outcome.status.error().message;
    log::info("node", "told a member",
              {{"replica", describe(job.replica)}, {"command", describe(job.group)}, {"result", result}});
  }

  void on_done(const Job& job, const JobOutcome& outcome) {
    if (!outcome.status.has_value() && job.kind != JobKind::Probe && job.kind != JobKind::AskMember) {
      log::warning("node", std::string(job_name(job.kind)) + " failed",
                   {{"replica", describe(job.replica)}, {"reason", outcome.status.error().message}});
    }
    for (const auto& [contract, status] : outcome.networks) {
      if (!status.has_value()) {
        log::warning("node", "network failed",
                     {{"contract", contract.short_hex()}, {"reason", status.error().message}});
      }
    }
    reconciler_.job_done(job.id, outcome, now());
    if (job.kind == JobKind::PrepareImage && outcome.status.has_value()) house_.image_made();
    pump();
  }

  // ---- what the ledger is told -----------------------------------------------------------------------

  void report() {
    if (is_fenced_ || is_sending_ || !has_read_) return;
    auto batch = book_.take(now());
    if (!batch) return;
    pb::Transaction transaction;
    for (pb::Result& result : *batch) *transaction.mutable_report_results()->add_results() = std::move(result);
    send(std::move(transaction), [this](const Status& sent) {
      if (sent.has_value()) return book_.delivered(now());
      log::warning("node", "the report was not taken", {{"reason", sent.error().message}});
      book_.failed(now(), sent.error().code == Code::Conflict);
    });
  }

  // What moved is stopped first: whoever has it now must be alone when we count as alive again.
  void rejoin() {
    if (!is_fenced_ || is_sending_ || now() < rejoins_.next_ms() || !reconciler_.has_left_what_moved()) return;
    pb::Transaction transaction;
    pb::RejoinNode& rejoin = *transaction.mutable_rejoin_node();
    rejoin.set_node_epoch(reconciler_.orders()->node_epoch);
    *rejoin.mutable_capacity() = options_.capacity;
    *rejoin.mutable_addresses() = options_.addresses;
    log::info("node", "rejoins", {{"epoch", std::to_string(rejoin.node_epoch())}});
    send(std::move(transaction), [this](const Status& sent) {
      if (sent.has_value()) {
        rejoins_.taken(now());
      } else {
        rejoins_.failed(now());
        log::warning("node", "the rejoin was not taken", {{"reason", sent.error().message}});
      }
      rejoin_timer_ = loop_.after(rejoins_.next_ms() - now() + 1, [this] { pump(); });
    });
  }

  void send(pb::Transaction transaction, std::function<void(const Status&)> done) {
    is_sending_ = true;
    submit_.submit([this, transaction = std::move(transaction), done = std::move(done)]() mutable {
      Status sent = sender_.send(std::move(transaction));
      loop_.post([this, sent = std::move(sent), done = std::move(done)] {
        is_sending_ = false;
        done(sent);
        pump();
      });
    });
  }

  // ---- logs and metrics ------------------------------------------------------------------------------

  void push_telemetry() {
    if (ports_.telemetry == nullptr) return;
    std::vector<Telemetry::Target> targets = followed_.now(reconciler_);
    Telemetry::Numbers numbers;
    numbers.node = {{"node_containers_running", static_cast<double>(reconciler_.running().size())},
                    {"node_ledger_height", static_cast<double>(height_)},
                    {"node_is_fenced", is_fenced_ ? 1.0 : 0.0}};
    telemetry_.submit([this, targets = std::move(targets), numbers = std::move(numbers)] {
      ports_.telemetry->round(targets, numbers);
      loop_.post([this] { telemetry_timer_ = loop_.after(options_.telemetry_ms, [this] { push_telemetry(); }); });
    });
  }

  AgentPorts ports_;
  const crypto::SigningKey& key_;
  const Options options_;
  UserRanges ranges_;
  Reconciler reconciler_;
  ReportBook book_;
  LedgerReader reader_;
  Sender sender_;
  Liveness liveness_;

  FollowedContainers followed_;
  uint64_t height_ = 0;        // newest head heard of
  uint64_t read_height_ = 0;   // of our orders
  uint64_t asked_height_ = 0;  // `height_` when the reading under way began
  uint64_t contact_ms_ = 0;
  uint64_t fresh_ms_ = 0;  // what our orders say was the newest at that moment
  uint64_t fence_after_ms_ = 5'000;
  uint64_t follow_failures_ = 0;
  uint64_t read_pause_ms_ = 0;
  bool is_reading_ = false;
  bool read_again_ = false;
  bool is_sending_ = false;
  bool is_fenced_ = false;
  bool has_read_ = false;  // since our start
  RejoinPace rejoins_;

  io::Loop loop_;
  io::Timer follow_timer_, read_timer_, pump_timer_, rejoin_timer_, telemetry_timer_;
  // Last, so that their threads end first.
  io::Pool jobs_, follow_, read_, submit_, telemetry_;
  ExitWatch exits_;
  Housekeeper house_;
};

}  // namespace

Result<std::unique_ptr<Agent>> Agent::open(const AgentPorts& ports, const crypto::SigningKey& key, Options options) {
  TRY(io::make_folders(options.data_folder + "/evidence", 0700));
  UserRanges ranges = TRY(UserRanges::open(options.data_folder + "/user-ranges"));
  auto agent = std::make_unique<RealAgent>(ports, key, std::move(options), std::move(ranges));
  TRY(agent->look());
  return agent;
}

}  // namespace mcloud::node
