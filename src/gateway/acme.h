// Certificates by ACME (RFC 8555), ordered with uacme: the account's and the certificate's keys are files that we give it, and a
// challenge needs no answer of ours, because HAProxy answers all of them from the account's thumbprint.
//
// Chains are kept in DATA/certificates; they hold no secret. Keys are on tmpfs while uacme runs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gateway/certificate_unit.h"
#include "io/process.h"

namespace mcloud::gateway {

// When a certificate is renewed: at two thirds of its life; gateway number `index` a little later than the one before, so that
// they do not all ask at once. Pure.
uint64_t renewal_ms(uint64_t not_before_ms, uint64_t not_after_ms, uint32_t index);

// How long to wait after the nth failure in a row: 10 s, 30 s, ... at most an hour. Pure.
uint64_t acme_pause_ms(unsigned failures);

// One thread. Nothing waits: orders are processes that round() looks after, four at a time.
class Acme {
 public:
  struct Options {
    std::string data_folder;  // certificates/UNIT.pem, hook
    std::string work_folder;  // on tmpfs
    std::string program = "uacme";
    uint64_t timeout_ms = 120'000;
  };
  explicit Acme(Options options) : options_(std::move(options)) {}

  Status open();  // reads what DATA holds
  // Orders what is due. True when a certificate has come. Units that left may come back (a domain whose proof is lost, an agent that
  // has not read the ledger yet), so their chains are kept until they expire.
  bool round(const std::vector<CertificateUnit>& units, uint64_t now_ms, uint64_t wall_ms);

  std::string chain(const std::string& unit) const;         // "" = none yet
  std::string message(const std::string& site) const;       // why an order of the site's failed; "" = none did

 private:
  struct Unit {
    std::string site;
    std::string chain;
    uint64_t expires_ms = 0;  // wall time; 0 = no chain
    std::string tried_for;  // names and keys of the last order: others are another matter
    std::string due_for;    // those of due_ms
    uint64_t due_ms = 0;    // wall time
    std::string message;
    unsigned failures = 0;
    uint64_t next_ms = 0;
    std::unique_ptr<io::Child> child;
    bool is_issuing = false;  // else the account is being made
    uint64_t deadline_ms = 0;
  };
  Status begin(Unit& unit, const CertificateUnit& wanted, uint64_t now_ms);
  Status run(Unit& unit, const CertificateUnit& wanted);
  // True when the unit has a new chain.
  Result<bool> look_after(Unit& unit, const CertificateUnit& wanted, uint64_t now_ms);
  Result<std::string> take_chain(const CertificateUnit& wanted);
  void rest_all_but(const std::set<std::string>& ids, uint64_t wall_ms);
  void fail(Unit& unit, const std::string& id, const Error& error, uint64_t now_ms);
  std::string folder_of(const std::string& id) const { return options_.work_folder + "/" + id; }
  std::string kept(const std::string& id) const { return options_.data_folder + "/certificates/" + id + ".pem"; }

  const Options options_;
  std::map<std::string, Unit> units_;
};

}  // namespace mcloud::gateway
