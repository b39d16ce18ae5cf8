#include "contract/web_syntax.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::contract;

namespace {

void check_rule(const Rule& rule, std::initializer_list<std::string> good, std::initializer_list<std::string> bad) {
  for (const std::string& text : good) {
    CAPTURE(text);
    CHECK(rule.holds(text));
  }
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK_FALSE(rule.holds(text));
  }
}

}  // namespace

TEST_CASE("public names are labels that look like no other") {
  check_rule(kPublicNameRule, {"abc", "shop", "7up", "a-b-c", std::string(40, 'a')},
             {"", "ab", std::string(41, 'a'), "-abc", "abc-", "Shop", "a.b", "a b", "xn--abc", "ab--c", "sho\xc3\xb6p",
              "shop\n", std::string("sh\0p", 4)});
}

TEST_CASE("domains are whole, in lower case and somebody else's") {
  const std::string label(63, 'a');
  check_rule(kDomainRule,
             {"example.org", "a.b", "shop.example.org", "xn--bcher-kva.example", "1.example", label + ".org",
              label + "." + label + "." + label + "." + std::string(61, 'a')},
             {"",
              "org",
              ".org",
              "example.",
              "example..org",
              "Example.org",
              "*.example.org",
              "example.org:80",
              "-a.org",
              "a-.org",
              "ab--cd.org",
              label + "a.org",
              label + "." + label + "." + label + "." + label,
              "192.0.2.7",
              "web.internal",
              "printer.local",
              "a.localhost",
              "a b.org",
              "a.org\n",
              "b\xc3\xbc"
              "cher.org",
              std::string("a\0.org", 6)});
}

TEST_CASE("paths of routes are whole segments, and safe in a configuration") {
  check_rule(kRoutePathRule, {"/", "/api", "/api/v1.2", "/~ida/_x", "/shop.Basket"},
             {"", "api", "/api/", "//", "/a//b", "/.", "/a/..", "/a b", "/a?b", "/a#b", "/a\"b", "/a%2f", "/a\n",
              "/" + std::string(256, 'a')});
  check_rule(kCheckPathRule, {"/", "/ok?x=1&y=2", "/a%20b"},
             {"", "ok", "/a b", "/a\"", "/a'", "/a\\", "/a#b", "/a{b}", "/\r\n"});
}

TEST_CASE("addresses of people and authorities are plain") {
  check_rule(kEmailRule, {"ida@example.org", "a.b+c@x.example"},
             {"", "@example.org", "ida@", "ida@org", "i da@example.org", "a@b@c.org"});
  check_rule(kDirectoryRule,
             {"https://acme.example/directory", "https://localhost:14000/dir", "https://[::1]:14000/dir"},
             {"", "http://acme.example", "https://", "https:///dir", "https://a b", "https://a'b", "https://a\"b",
              "https://user@a/"});
  check_rule(kDeviceRule, {"laptop", "a-1"}, {"", "Laptop", "1a", "a b", std::string(33, 'a')});
}

TEST_CASE("a range is written in one way, whatever it was typed as") {
  const std::pair<const char*, const char*> kGood[] = {{"192.0.2.7", "192.0.2.7/32"},
                                                       {"10.0.0.0/8", "10.0.0.0/8"},
                                                       {"0.0.0.0/0", "0.0.0.0/0"},
                                                       {"2001:DB8:0:0::/32", "2001:db8::/32"},
                                                       {"::1", "::1/128"},
                                                       {"::/0", "::/0"},
                                                       {"::ffff:192.0.2.7", "::ffff:192.0.2.7/128"}};
  for (const auto& [typed, written] : kGood) {
    CAPTURE(std::string(typed));
    CHECK_EQ(canonical_cidr(typed).value(), written);
    CHECK_EQ(canonical_cidr(written).value(), written);
  }
  for (const char* text :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.1/8", "10.0.0/8", "010.0.0.0/8",
        "10.0.0.0/8 ", "::/129", "::1/64", "fe80::1%eth0", "1::2::3", "any", "10.0.0.0/-1", "256.0.0.0/8"}) {
    CAPTURE(std::string(text));
    CHECK_FALSE(canonical_cidr(text).has_value());
  }
  CHECK_FALSE(canonical_cidr(std::string("10.0.0.0\0/8", 11)).has_value());
}
