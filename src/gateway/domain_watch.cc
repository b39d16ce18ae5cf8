#include "gateway/domain_watch.h"

#include "base/log.h"
#include "gateway/dns_client.h"
#include "gateway/words.h"
#include "io/clock.h"
#include "io/file.h"

namespace mcloud::gateway {
namespace {

constexpr size_t kThreads = 2;
constexpr size_t kQueueMax = 64;

}  // namespace

DomainWatch::DomainWatch(Options options, io::Loop& loop, std::function<void()> on_change)
    : options_(std::move(options)), loop_(loop), on_change_(std::move(on_change)), pool_(kThreads, kQueueMax) {
  if (Result<Bytes> kept = io::read_file(options_.file, 16 << 20); kept.has_value()) proofs_.load(*kept);
}

void DomainWatch::want(const pb::LocalGateway& gateway) {
  std::map<std::string, std::set<std::string>> contracts;
  for (const pb::LocalSite& site : gateway.sites()) {
    for (const std::string& domain : site.site().domains()) {
      if (is_host_name(domain)) contracts[domain].insert(to_hex(site.contract()));
    }
  }
  proofs_.want(contracts);
}

void DomainWatch::round(uint64_t now_ms, uint64_t wall_ms) {
  // A grace that ends changes who holds a domain without an answer.
  bool has_changed = false;
  for (auto& [domain, holder] : held_) has_changed = has_changed || std::exchange(holder, proofs_.holder(domain, wall_ms)) != holder;
  if (has_changed) on_change_();
  for (const std::string& domain : proofs_.due(now_ms, kThreads)) {
    bool is_taken = pool_.submit([this, domain] {
      std::string server = options_.server.empty() ? machine_name_server() : options_.server;
      Result<std::vector<std::string>> texts = lookup_txt(server, "_mcloud." + domain);
      loop_.post([this, domain, texts] { answer(domain, texts); });
    });
    if (!is_taken) answer(domain, make_error(Code::Exhausted, "too many lookups wait"));
  }
}

void DomainWatch::answer(const std::string& domain, const Result<std::vector<std::string>>& texts) {
  io::SystemClock clock;
  bool has_changed = proofs_.answer(domain, texts, clock.monotonic_ms(), clock.wall_ms());
  held_[domain] = proofs_.holder(domain, clock.wall_ms());
  if (has_changed) {
    log::info("gateway", "a domain is held by another contract", {{"domain", domain}, {"contract", held_[domain]}});
    on_change_();
  }
  std::string text = proofs_.save();
  if (text == saved_) return;
  Status written = io::write_file(options_.file, text, io::Durability::Fsync, 0600);
  if (written.has_value()) saved_ = std::move(text);
  else log::warning("gateway", "proofs of domains cannot be kept", {{"error", written.error().message}});
}

}  // namespace mcloud::gateway
