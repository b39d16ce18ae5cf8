// Inside src/contract/fields: what texts of the contract language may look like, for editors. A pattern may take a little
// more than the parser does, never less (table_test.cc).
#pragma once

#include "contract/fields/shape.h"
#include "contract/web_syntax.h"

namespace mcloud::contract::patterns {

inline const Pattern kName = {"^[a-z][a-z0-9-]{0,39}$", kNameRule.allowed, "web", &kNameRule};
inline const Pattern kPortName = {"^[a-z][a-z0-9-]{0,14}$", kPortNameRule.allowed, "http", &kPortNameRule};
inline const Pattern kWho = {"^([a-z][a-z0-9-]{0,31}|[0-9a-f]{64})$", kWhoRule.allowed, "ida", &kWhoRule};
inline const Pattern kNode = {"^([a-z][a-z0-9-]{0,39}(/[a-z][a-z0-9-]{0,39})?|[0-9a-f]{64})$", kNodeRule.allowed, "home/node-1",
                              &kNodeRule};
inline const Pattern kCountry = {"^[A-Z]{2}$", kCountryRule.allowed, "BE", &kCountryRule};
inline const Pattern kLabelKey = {"^[a-z][a-z0-9._/-]{0,62}$", kLabelKeyRule.allowed, "disk", &kLabelKeyRule};
inline const Pattern kLabelValue = {"^[A-Za-z0-9._-]{0,63}$", kLabelValueRule.allowed, "ssd", &kLabelValueRule};
inline const Pattern kVariableName = {"^[A-Za-z_][A-Za-z0-9_]{0,254}$", kVariableNameRule.allowed, "MODE",
                                      &kVariableNameRule};
inline const Pattern kValue = {"", kValueRule.allowed, "production", &kValueRule};
inline const Pattern kContainerPath = {
    "^/(?!(proc|sys)(/|$))(?!dev(/(?!shm(/|$))|$))(?!\\.{1,2}(/|$))[^/]+(/(?!\\.{1,2}(/|$))[^/]+)*$",
    kContainerPathRule.allowed, "/data", &kContainerPathRule};
inline const Pattern kFolder = {"^(/|(/(?!\\.{1,2}(/|$))[^/]+)+)$", kFolderRule.allowed, "/srv", &kFolderRule};
inline const Pattern kHttpPath = {"^/[!-~]*$", kHttpPathRule.allowed, "/healthy", &kHttpPathRule};
inline const Pattern kUser = {"^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,31})?$", kUserRule.allowed,
                              "postgres", &kUserRule};
inline const Pattern kImage = {
    "^(oci:.+|docker-archive:.+|docker://.+|fl:(?!https?:).+|fl:https?://[^/@]+/.+)$", kImageSourceRule.allowed,
    "oci:./image", &kImageSourceRule};
inline const Pattern kDigest = {"^sha256:[0-9a-f]{64}$", kDigestRule.allowed,
                                "sha256:040099610191065228a94678a8119656a7e14291877032d282cf43f3b5e97677", &kDigestRule};
inline const Pattern kPublicName = {"^(?!..--)[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$", kPublicNameRule.allowed, "shop",
                                    &kPublicNameRule};
inline const Pattern kDomain = {"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
                                kDomainRule.allowed, "shop.example.org", &kDomainRule};
inline const Pattern kRoutePath = {"^(/|(/(?!\\.{1,2}(/|$))[A-Za-z0-9._~-]+)+)$", kRoutePathRule.allowed, "/api",
                                   &kRoutePathRule};
inline const Pattern kCheckPath = {"^/[A-Za-z0-9/._~?=&%+,:@-]{0,255}$", kCheckPathRule.allowed, "/healthy",
                                   &kCheckPathRule};
inline const Pattern kEmail = {"^[A-Za-z0-9._+-]{1,64}@[a-z0-9.-]+$", kEmailRule.allowed, "ida@example.org", &kEmailRule};
inline const Pattern kDirectory = {"^https://[^/].*$", kDirectoryRule.allowed, "https://ca.example/dir", &kDirectoryRule};

// Without a rule of their own: the parser takes them apart.
inline const Pattern kSecret = {"^(env:[A-Za-z_][A-Za-z0-9_]{0,254}|file:.+|value:[\\s\\S]*)$",
                                "env:NAME, file:PATH or value:TEXT on the owner's machine", "env:TOKEN"};
inline const Pattern kMode = {"^(0o)?[0-7]{1,4}$", "an octal file mode, 0000 to 0777", "0400"};
inline const Pattern kPort = {"^[1-9][0-9]{0,4}(/(tcp|udp))?$", "1 to 65535, with /udp behind it for UDP", "53/udp"};
inline const Pattern kPortOf = {"^([1-9][0-9]{0,4}|[a-z][a-z0-9-]{0,14})$", "a port's name or number", "http"};
inline const Pattern kParameterName = {"^[A-Za-z][A-Za-z0-9_-]{0,39}$", kParameterNameRule.allowed, "size",
                                       &kParameterNameRule};
inline const Pattern kFragment = {"^(?!/)(/?(?!\\.{1,2}(/|$))[^/\\\\]+)+$", kFragmentPathRule.allowed, "common/db.yaml",
                                  &kFragmentPathRule};
inline const Pattern kAmount = {"", "a value of the parameter's type", "1"};

inline const Pattern kRange = {"^[0-9]{1,3}(\\.[0-9]{1,3}){3}/([89]|1[0-9]|2[0-8])$",
                               "a private IPv4 range, /8 to /28, such as 10.7.0.0/16", "10.7.0.0/16"};
inline const Pattern kCidr = {"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$", "an address or a range, IPv4 or IPv6", "192.0.2.0/24"};
inline const Pattern kTarget = {"^[^:]+(:[^:]+)?$", "WORKLOAD:PORT, or WORKLOAD when it has one port", "web:http"};
inline const Pattern kRuleText = {"^.+->.+$", "\"FROM -> TO\", \"FROM -> TO:PORT\" or \"FROM -> TO:PORT/PROTOCOL\"",
                                  "any -> any"};
inline const Pattern kEnd = {"^(device:)?[a-z][a-z0-9-]{0,39}$",
                             "a workload of this network, device:NAME, devices or any; as TO also world", "any"};
inline const Pattern kPorts = {"^([1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?|[a-z][a-z0-9-]{0,14})$",
                               "a number, 8000-8010, or the name of a port of TO", "8000-8010"};

}  // namespace mcloud::contract::patterns
