// The agent as it is: one loop that owns all state. agent.cc begins and ends it, agent_reading.cc follows the ledger,
// agent_jobs.cc has work done, agent_telling.cc says what became of it.
#pragma once

#include "io/loop.h"
#include "node/agent.h"
#include "node/exit_watch.h"
#include "node/followed_containers.h"
#include "node/identity.h"
#include "node/ledger_reader.h"
#include "node/liveness.h"
#include "node/rejoin_pace.h"
#include "node/report_book.h"
#include "node/trouble_book.h"
#include "node/user_ranges.h"

namespace mcloud::node {

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
        house_(loop_, ports_.containers, reconciler_, ports_.clock, options_.house, [this] { pump(); }),
        peers_(loop_, key.public_key(), options_.peers, [this](const std::set<NodeId>& silent) { on_silent(silent); }) {}

  Status look();
  void recall();
  void run() override;
  void stop() override;
  void stop_on_signals() override;

 private:
  static size_t jobs_max(const Reconciler::Limits& limits);
  uint64_t now() const;

  // ---- the ledger --------------------------------------------------------------------------------
  void follow();
  void on_head(const Result<std::optional<ledger::Head>>& head, uint64_t contact);
  void on_contact(uint64_t contact);
  void set_contact(uint64_t contact);
  void read();
  void on_reading(Result<LedgerReader::Reading> reading, uint64_t asked);
  void on_unread(const Error& error);
  void take_over(const LedgerReader::Reading& reading);
  void note_recorded(const ContractView& view, const ContractId& contract);
  void on_silent(const std::set<NodeId>& silent);

  // ---- jobs ----------------------------------------------------------------------------------------
  void pump();
  void begin(const Job& job);
  static void note_group(const Job& job, const JobOutcome& outcome);
  void note_trouble(const Job& job, const JobOutcome& outcome);
  void on_done(const Job& job, const JobOutcome& outcome);

  // ---- what the ledger is told -----------------------------------------------------------------------
  void report();
  void rejoin();
  void publish_keys();
  void look_where();
  void send(pb::Transaction transaction, std::function<void(const Status&)> done);

  // ---- logs and metrics ------------------------------------------------------------------------------
  void push_telemetry();

  AgentPorts ports_;
  const crypto::SigningKey& key_;
  const Options options_;
  UserRanges ranges_;
  Reconciler reconciler_;
  ReportBook book_;
  TroubleBook troubles_;
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
  pb::Node own_record_;
  std::optional<pb::NodeAddresses> where_;  // as it was looked last
  uint64_t next_publish_ms_ = 0;
  uint64_t publish_failures_ = 0;

  io::Loop loop_;
  io::Timer follow_timer_, read_timer_, pump_timer_, rejoin_timer_, publish_timer_, telemetry_timer_, where_timer_;
  // Last, so that their threads end first.
  io::Pool jobs_, follow_, read_, submit_, telemetry_;
  ExitWatch exits_;
  Housekeeper house_;
  PeerWatch peers_;
};

}  // namespace mcloud::node
