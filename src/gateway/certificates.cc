#include "gateway/certificates.h"

#include <set>

#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "io/file.h"

namespace mcloud::gateway {
namespace {

constexpr unsigned kPlaceholderDays = 3650;

}  // namespace

Status Certificates::prepare(const std::string& domain, const std::vector<SitePlan>& plans,
                             const std::function<std::string(const SitePlan&)>& issued) {
  TRY(io::make_folders(paths_.folder + "/certificates", 0700));
  if (!shown_.contains("placeholder")) {
    std::string key = crypto::make_ec_key();
    std::string chain = TRY(crypto::make_self_signed(key, {domain.empty() ? "gateway.invalid" : domain}, kPlaceholderDays));
    TRY(show("placeholder", {chain + key, 0, ""}));
  }
  std::set<std::string> wanted = {"placeholder"};
  for (const SitePlan& plan : plans) {
    if (plan.site->site().mode() != pb::SITE_HTTP || !plan.site->site().has_tls() || plan.hosts.empty()) continue;
    const pb::Tls& tls = plan.site->site().tls();
    Shown shown = TRY(choose(plan, tls.has_supplied() ? tls.supplied().chain() : issued(plan)));
    TRY(show(plan.key, std::move(shown)));
    wanted.insert(plan.key);
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

Result<Certificates::Shown> Certificates::choose(const SitePlan& plan, const std::string& chain) {
  const std::string& key = plan.site->tls_private_key();
  std::string message;
  if (!chain.empty()) {
    Result<crypto::CertificateFacts> facts = crypto::check_certificate(chain, key);
    if (facts.has_value()) {
      for (const std::string& host : plan.hosts) {
        if (message.empty() && !crypto::covers(facts->dns_names, host)) message = "certificate: it is not for " + host;
      }
      return Shown{facts->pem, facts->not_after_ms, message};
    }
    message = "certificate: " + facts.error().message;
  }
  // The site's own key would show strangers nothing wrong, but it may be the one that is bad.
  std::string names;
  for (const std::string& host : plan.hosts) names += host + " ";
  std::string& made = placeholders_[plan.key + " " + names];
  if (made.empty()) {
    std::string own_key = crypto::make_ec_key();
    made = TRY(crypto::make_self_signed(own_key, plan.hosts, kPlaceholderDays)) + own_key;
  }
  return Shown{made, 0, message};
}

Status Certificates::show(const std::string& key, Shown shown) {
  auto there = shown_.find(key);
  bool is_same = there != shown_.end() && there->second.pem == shown.pem;
  if (!is_same) {
    TRY(io::write_file(paths_.certificate(key), shown.pem, io::Durability::None, 0600));
    changed_.push_back(key);
  }
  shown_[key] = std::move(shown);
  return {};
}

std::vector<std::string> Certificates::take_changes() {
  std::vector<std::string> out;
  for (const std::string& key : std::exchange(changed_, {})) {
    auto there = shown_.find(key);
    if (there == shown_.end()) continue;
    std::string file = paths_.certificate(key);
    out.push_back("set ssl cert " + file + " <<\n" + there->second.pem + "\n");
    out.push_back("commit ssl cert " + file);
  }
  return out;
}

uint64_t Certificates::expires_ms(const std::string& key) const {
  auto there = shown_.find(key);
  return there == shown_.end() ? 0 : there->second.expires_ms;
}

std::string Certificates::message(const std::string& key) const {
  auto there = shown_.find(key);
  return there == shown_.end() ? "" : there->second.message;
}

}  // namespace mcloud::gateway
