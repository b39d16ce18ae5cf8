#include "gateway/acme.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "io/file.h"

namespace mcloud::gateway {
namespace {

constexpr size_t kAtOnceMax = 4;
constexpr size_t kChainBytesMax = 256 << 10;
constexpr uint64_t kFirstPauseMs = 10'000;
constexpr uint64_t kPauseMaxMs = 3'600'000;

// Accepts http-01 and no other kind of challenge; there is nothing to prepare.
constexpr std::string_view kHook = "#!/bin/sh\n[ \"$1\" != begin ] || [ \"$2\" = http-01 ]\n";

std::string subject_of(const CertificateUnit& unit) {
  std::string out = unit.local->tls_private_key() + unit.local->acme_account_key() + unit.local->site().tls().acme().directory();
  for (const std::string& host : unit.hosts) out += " " + host;
  return crypto::blake2b(out).hex();
}

// What uacme says last is why it failed.
std::string last_line(const std::string& path) {
  Bytes text = io::read_file(path, 1 << 20).value_or("");
  while (text.ends_with('\n')) text.pop_back();
  std::string line = text.substr(text.rfind('\n') + 1).substr(0, 500);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return line.starts_with("uacme: ") ? line.substr(7) : line;
}

// Wall time; 0 = now: there is none that is good for all names.
uint64_t due_ms(const std::string& chain, const CertificateUnit& wanted) {
  if (chain.empty()) return 0;
  Result<crypto::CertificateFacts> facts = crypto::check_certificate(chain, wanted.local->tls_private_key());
  if (!facts.has_value()) return 0;
  for (const std::string& host : wanted.hosts) {
    if (!crypto::covers(facts->dns_names, host)) return 0;
  }
  return renewal_ms(facts->not_before_ms, facts->not_after_ms, wanted.local->index());
}

}  // namespace

uint64_t renewal_ms(uint64_t not_before_ms, uint64_t not_after_ms, uint32_t index) {
  uint64_t life = not_after_ms > not_before_ms ? not_after_ms - not_before_ms : 0;
  return not_before_ms + life / 3 * 2 + life / 48 * (index % 8);
}

uint64_t acme_pause_ms(unsigned failures) {
  uint64_t pause = kFirstPauseMs;
  for (unsigned i = 1; i < failures && pause < kPauseMaxMs; ++i) pause *= 3;
  return std::min(pause, kPauseMaxMs);
}

Status Acme::open() {
  TRY(io::make_folders(options_.data_folder + "/certificates", 0700));
  TRY(io::write_file(options_.data_folder + "/hook", kHook, io::Durability::None, 0700));
  TRY(io::remove_tree(options_.work_folder));
  for (const std::string& name : TRY(io::list_folder(options_.data_folder + "/certificates"))) {
    if (!name.ends_with(".pem")) continue;
    std::string id = name.substr(0, name.size() - 4);
    units_[id].chain = TRY(io::read_file(kept(id), kChainBytesMax));
    units_[id].expires_ms = crypto::certificate_expiry_ms(units_[id].chain).value_or(0);
  }
  return {};
}

bool Acme::round(const std::vector<CertificateUnit>& wanted, uint64_t now_ms, uint64_t wall_ms) {
  bool has_come = false;
  std::set<std::string> seen;
  auto running = static_cast<size_t>(std::ranges::count_if(units_, [](const auto& unit) { return unit.second.child != nullptr; }));
  for (const CertificateUnit& one : wanted) {
    if (!one.local->site().tls().has_acme()) continue;
    Unit& unit = units_[one.id];
    unit.site = one.site;
    seen.insert(one.id);
    std::string subject = subject_of(one);
    if (unit.child) {
      Result<bool> came = look_after(unit, one, now_ms);
      if (!came.has_value()) fail(unit, one.id, came.error(), now_ms);
      has_come = has_come || came.value_or(false);
      continue;
    }
    if (unit.due_for != subject) unit.due_ms = due_ms(unit.chain, one);
    unit.due_for = subject;
    if (running == kAtOnceMax || wall_ms < unit.due_ms || (now_ms < unit.next_ms && unit.tried_for == subject)) continue;
    ++running;
    if (Status begun = begin(unit, one, now_ms); !begun.has_value()) fail(unit, one.id, begun.error(), now_ms);
  }
  rest_all_but(seen, wall_ms);
  return has_come;
}

void Acme::rest_all_but(const std::set<std::string>& ids, uint64_t wall_ms) {
  for (auto entry = units_.begin(); entry != units_.end();) {
    Unit& unit = entry->second;
    bool is_wanted = ids.contains(entry->first);
    if (!is_wanted) {
      unit.child.reset();
      unit.message.clear();
    }
    if (is_wanted || wall_ms < unit.expires_ms) {
      ++entry;
      continue;
    }
    static_cast<void>(io::remove_tree(kept(entry->first)));
    entry = units_.erase(entry);
  }
}

Status Acme::begin(Unit& unit, const CertificateUnit& wanted, uint64_t now_ms) {
  unit.tried_for = subject_of(wanted);
  unit.is_issuing = false;
  unit.deadline_ms = now_ms + options_.timeout_ms;
  std::string folder = folder_of(wanted.id);
  TRY(io::remove_tree(folder));
  TRY(io::make_folders(folder + "/private/" + wanted.hosts[0], 0700));
  TRY(io::make_folders(folder + "/" + wanted.hosts[0], 0700));
  TRY(io::write_file(folder + "/private/key.pem", wanted.local->acme_account_key(), io::Durability::None, 0600));
  TRY(io::write_file(folder + "/private/" + wanted.hosts[0] + "/key.pem", wanted.local->tls_private_key(), io::Durability::None, 0600));
  return run(unit, wanted);
}

Status Acme::run(Unit& unit, const CertificateUnit& wanted) {
  const pb::Acme& acme = wanted.local->site().tls().acme();
  std::string folder = folder_of(wanted.id);
  // -n: it makes no key of its own; -o: no OCSP request, a certificate that is due is ordered anyhow.
  io::Command command{.arguments = {options_.program, "-a", acme.directory(), "-c", folder, "-n", "-y"}};
  if (unit.is_issuing) {
    for (const char* word : {"-o", "-f", "-h"}) command.arguments.emplace_back(word);
    command.arguments.push_back(options_.data_folder + "/hook");
    command.arguments.emplace_back("issue");
    command.arguments.insert(command.arguments.end(), wanted.hosts.begin(), wanted.hosts.end());
  } else {
    command.arguments.emplace_back("new");
    if (!acme.email().empty() && acme.email()[0] != '-') command.arguments.push_back(acme.email());
  }
  io::Fd words(::open((folder + "/words").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!words.is_open()) return make_error(Code::Internal, "cannot write in " + folder);
  unit.child = TRY(io::Child::start(command, {.output = words.get(), .errors = words.get()}));
  return {};
}

Result<bool> Acme::look_after(Unit& unit, const CertificateUnit& wanted, uint64_t now_ms) {
  if (unit.tried_for != subject_of(wanted)) {
    unit.child.reset();  // an order for other names
    return false;
  }
  std::optional<int> code = TRY(unit.child->wait(0));
  if (!code.has_value() && now_ms < unit.deadline_ms) return false;
  unit.child.reset();
  if (!code.has_value()) return make_error(Code::TimedOut, "the authority does not answer");
  if (!unit.is_issuing) {
    // An account that is there already is as good as a new one.
    std::string words = io::read_file(folder_of(wanted.id) + "/words", 1 << 20).value_or("");
    if (*code != 0 && words.find("already exists") == words.npos) return make_error(Code::Unavailable, last_line(folder_of(wanted.id) + "/words"));
    unit.is_issuing = true;
    TRY(run(unit, wanted));
    return false;
  }
  if (*code != 0) return make_error(Code::Unavailable, last_line(folder_of(wanted.id) + "/words"));
  unit.chain = TRY(take_chain(wanted));
  unit.due_for.clear();
  unit.expires_ms = crypto::certificate_expiry_ms(unit.chain).value_or(0);
  unit.failures = 0;
  unit.message.clear();
  log::info("gateway", "a certificate has come", {{"unit", wanted.id}, {"name", wanted.hosts[0]}});
  return true;
}

Result<std::string> Acme::take_chain(const CertificateUnit& wanted) {
  std::string folder = folder_of(wanted.id);
  std::string chain = TRY(io::read_file(folder + "/" + wanted.hosts[0] + "/cert.pem", kChainBytesMax));
  TRY(crypto::check_certificate(chain, wanted.local->tls_private_key()));
  TRY(io::write_file(kept(wanted.id), chain, io::Durability::Fsync, 0600));
  TRY(io::remove_tree(folder));
  return chain;
}

void Acme::fail(Unit& unit, const std::string& id, const Error& error, uint64_t now_ms) {
  unit.child.reset();
  unit.message = "certificate: " + error.message;
  unit.next_ms = now_ms + acme_pause_ms(++unit.failures);
  log::warning("gateway", "no certificate", {{"unit", id}, {"error", error.message}, {"failures", std::to_string(unit.failures)}});
  static_cast<void>(io::remove_tree(folder_of(id)));
}

std::string Acme::chain(const std::string& id) const {
  auto unit = units_.find(id);
  return unit == units_.end() ? "" : unit->second.chain;
}

std::string Acme::message(const std::string& site) const {
  for (const auto& [id, unit] : units_) {
    if (unit.site == site && !unit.message.empty()) return unit.message;
  }
  return "";
}

}  // namespace mcloud::gateway
