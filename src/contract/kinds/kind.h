// Inside this room only: what a kind of workload is. One file set per kind in this folder and one row in
// the table; docs/recipes/add-a-workload-kind.md is the checklist.
#pragma once

#include <span>
#include <string_view>

#include "contract/compile.h"
#include "contract/document.h"
#include "contract/field_reader.h"
#include "mcloud/contract.pb.h"

namespace mcloud::contract {

// What compiling one contract shares. Not thread-safe.
class CompileScope {
 public:
  CompileScope(const Contract& contract, const CompileContext& context, Resolver& resolver, Report& report)
      : contract_(contract), context_(context), resolver_(resolver), report_(report) {}

  const Contract& contract() const { return contract_; }
  const CompileContext& context() const { return context_; }
  Resolver& resolver() const { return resolver_; }
  Report& report() const { return report_; }

  // The encrypted value; the box of the previous body when it holds the same value.
  pb::Secret seal(const Workload& workload, std::string field, const Placed<SecretReference>& secret);

  // A secret that nobody writes, such as a private key: that of the previous body when it opens under the same key and `fits`,
  // else a new one. The value is for what is public of it; wipe it.
  struct Made {
    pb::Secret secret;
    Bytes value;
  };
  Made keep_or_make(const Workload& workload, std::string field, Bytes (*make)(), bool (*fits)(const Bytes& value));
  const Bytes& secret_key() const { return secret_key_; }  // empty until something was sealed

 private:
  Bytes find_previous_box(std::string_view workload, std::string_view field) const;
  void require_secret_key();

  const Contract& contract_;
  const CompileContext& context_;
  Resolver& resolver_;
  Report& report_;
  Bytes secret_key_;
};

// The signed parts a workload's body is judged by.
struct SignedScope {
  const pb::ContractHeader& header;
  const pb::ContractBody& body;
};

struct Kind {
  std::string_view name;  // the word after `kind:`
  pb::WorkloadBody::KindCase body_case;

  // Reads the kind's fields into workload.spec. `kind` itself is read already.
  void (*parse)(MapReader& fields, Workload& workload);
  // Looks at what the workload says about others; every workload is parsed by now.
  void (*check)(const Contract& contract, const Workload& workload, Report& report);
  // Fills facets (name and kind are set) and the body's own part, every default written out.
  void (*compile)(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body);
  // Untrusted: bounds of the body, references, and that the facets say what the body says.
  Status (*validate)(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& body);
  // The workload in a few words, for plans: "2 volumes of 1GiB".
  std::string (*summary)(const pb::Facets& facets, const pb::WorkloadBody& body);
  // Whether its facets are its own: those of the other kinds follow from somebody else's.
  bool own_facets;
  // Fields of the body ("health", "image.source") whose change does not start running replicas anew (contract/diff.h).
  std::span<const std::string_view> live_fields;
};

std::span<const Kind> kinds();
const Kind* find_kind(std::string_view name);
const Kind* find_kind(pb::WorkloadBody::KindCase body_case);

}  // namespace mcloud::contract
