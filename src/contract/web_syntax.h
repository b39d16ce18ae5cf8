// Inside this room, the ledger and the CLI: what names, domains and addresses may look like that strangers see. As
// syntax.h, the parser of files and the checks of signed bytes share them. What holds is safe to stand in a proxy's
// configuration: no spaces, quotes or control characters.
#pragma once

#include <string>
#include <string_view>

#include "contract/syntax.h"

namespace mcloud::contract {

extern const Rule kPublicNameRule;  // "shop": a DNS label, owned on the ledger
extern const Rule kDomainRule;      // "shop.example.org": lower case, two labels or more, IDNA as xn--
extern const Rule kDeviceRule;      // "laptop"
extern const Rule kRoutePathRule;   // "/", "/api/v1": whole segments
extern const Rule kCheckPathRule;   // a path, and a query
extern const Rule kEmailRule;
extern const Rule kDirectoryRule;  // https URL of a certificate authority
extern const Rule kChainRule;      // certificates in PEM

// An address or a range of either family, without host bits, as it is signed: "10.0.0.0/8", "192.0.2.7/32",
// "2001:db8::/32".
Result<std::string> canonical_cidr(std::string_view text);

}  // namespace mcloud::contract
