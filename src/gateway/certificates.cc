#include "gateway/certificates.h"

#include <set>

#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/web_key.h"
#include "io/file.h"

namespace mcloud::gateway {
namespace {

constexpr unsigned kPlaceholderDays = 3650;
constexpr size_t kPayloadBytesMax = 14 << 10;

}  // namespace

Status Certificates::prepare(const std::string& domain, const std::vector<CertificateUnit>& units,
                             const std::function<std::string(const CertificateUnit&)>& issued) {
  TRY(io::make_folders(paths_.folder + "/certificates", 0700));
  if (!shown_.contains("placeholder")) {
    std::string key = crypto::make_web_key();
    std::string chain = TRY(crypto::make_self_signed(key, {domain.empty() ? "gateway.invalid" : domain}, kPlaceholderDays));
    TRY(show("placeholder", {"", chain + key, 0, ""}));
  }
  std::set<std::string> wanted = {"placeholder"};
  for (const CertificateUnit& unit : units) {
    const pb::Tls& tls = unit.local->site().tls();
    Shown shown = TRY(choose(unit, tls.has_supplied() ? tls.supplied().chain() : issued(unit)));
    TRY(show(unit.id, std::move(shown)));
    wanted.insert(unit.id);
  }
  for (auto entry = shown_.begin(); entry != shown_.end();) {
    if (wanted.contains(entry->first)) {
      ++entry;
      continue;
    }
    TRY(io::remove_tree(paths_.certificate(entry->first)));
    entry = shown_.erase(entry);
  }
  return {};
}

Result<Certificates::Shown> Certificates::choose(const CertificateUnit& unit, const std::string& chain) {
  if (chain.empty()) return Shown{unit.site, TRY(placeholder(unit)), 0, ""};
  Result<crypto::CertificateFacts> facts = crypto::check_certificate(chain, unit.local->tls_private_key());
  if (!facts.has_value()) return Shown{unit.site, TRY(placeholder(unit)), 0, "certificate: " + facts.error().message};
  std::string message;
  for (const std::string& host : unit.hosts) {
    if (message.empty() && !crypto::covers(facts->dns_names, host)) message = "certificate: it is not for " + host;
  }
  return Shown{unit.site, facts->pem, facts->not_after_ms, message};
}

// With a key of its own: the site's may be what is bad.
Result<std::string> Certificates::placeholder(const CertificateUnit& unit) {
  std::string what = unit.id;
  for (const std::string& host : unit.hosts) what += " " + host;
  std::string& made = placeholders_[what];
  if (made.empty()) {
    std::string key = crypto::make_web_key();
    made = TRY(crypto::make_self_signed(key, unit.hosts, kPlaceholderDays)) + key;
  }
  return made;
}

Status Certificates::show(const std::string& id, Shown shown) {
  auto there = shown_.find(id);
  bool is_same = there != shown_.end() && there->second.pem == shown.pem;
  if (!is_same) {
    TRY(io::write_file(paths_.certificate(id), shown.pem, io::Durability::None, 0600));
    changed_.push_back(id);
  }
  shown_[id] = std::move(shown);
  return {};
}

std::vector<Certificates::Change> Certificates::take_changes() {
  std::vector<Change> out;
  for (const std::string& id : std::exchange(changed_, {})) {
    auto there = shown_.find(id);
    if (there == shown_.end() || there->second.pem.size() > kPayloadBytesMax) continue;
    std::string file = paths_.certificate(id);
    out.push_back({"set ssl cert " + file + " <<\n" + there->second.pem, "commit ssl cert " + file});
  }
  return out;
}

std::string Certificates::large() const {
  std::string out;
  for (const auto& [id, shown] : shown_) {
    if (shown.pem.size() > kPayloadBytesMax) out += crypto::blake2b(shown.pem).hex();
  }
  return out;
}

uint64_t Certificates::expires_ms(const std::string& site) const {
  uint64_t first = 0;
  for (const auto& [id, shown] : shown_) {
    if (shown.site == site && shown.expires_ms != 0 && (first == 0 || shown.expires_ms < first)) first = shown.expires_ms;
  }
  return first;
}

std::string Certificates::message(const std::string& site) const {
  for (const auto& [id, shown] : shown_) {
    if (shown.site == site && !shown.message.empty()) return shown.message;
  }
  return "";
}

}  // namespace mcloud::gateway
