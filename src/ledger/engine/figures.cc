#include "ledger/engine/figures.h"

#include <cstdio>

namespace mcloud::ledger {
namespace {

void add(std::string& out, std::string_view name, std::string_view type, std::string_view help,
         const std::string& value) {
  out += "# HELP " + std::string(name) + " " + std::string(help) + "\n";
  out += "# TYPE " + std::string(name) + " " + std::string(type) + "\n";
  out += std::string(name) + " " + value + "\n";
}

std::string seconds(uint64_t us) {
  char text[40];
  std::snprintf(text, sizeof text, "%llu.%06llu", static_cast<unsigned long long>(us / 1'000'000),
                static_cast<unsigned long long>(us % 1'000'000));
  return text;
}

}  // namespace

std::string metrics_text(const Solo::Figures& figures, const ChainTip& tip, const Blobs& blobs) {
  std::string out;
  add(out, "ledger_height", "gauge", "Height of the newest block.", std::to_string(tip.head.height));
  add(out, "ledger_blocks_total", "counter", "Blocks made since the start.", std::to_string(figures.blocks));
  add(out, "ledger_transactions_executed_total", "counter", "Transactions that changed the state.",
      std::to_string(figures.executed));
  add(out, "ledger_transactions_refused_total", "counter", "Transactions that a block records as refused.",
      std::to_string(figures.refused));
  add(out, "ledger_mempool_transactions", "gauge", "Transactions being checked or waiting for a block.",
      std::to_string(figures.mempool_transactions));
  add(out, "ledger_execute_seconds_total", "counter", "Time spent executing blocks.", seconds(figures.execute_us));
  add(out, "ledger_sync_seconds_total", "counter", "Time spent writing and syncing blocks.", seconds(figures.sync_us));
  add(out, "ledger_commit_seconds_total", "counter", "Time spent writing the state.", seconds(figures.commit_us));
  add(out, "ledger_blob_kept_bytes", "gauge", "Bytes of blobs that the state names.",
      std::to_string(blobs.kept_bytes()));
  add(out, "ledger_blob_new_bytes", "gauge", "Bytes of blobs that nothing names yet.",
      std::to_string(blobs.new_bytes()));
  return out;
}

}  // namespace mcloud::ledger
