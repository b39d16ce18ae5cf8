#include "network/resolver.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "network/resolver_config.h"
#include "network/resolver_control.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

Ipv4 address(const std::string& text) { return Ipv4::parse(text).value(); }

ServedMember web(uint32_t index, const std::string& v4, const std::string& v6 = "") {
  return {"web", index, address(v4), v6, {{"http", "tcp", 80}}};
}

std::vector<std::string> sorted(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

// What a server that does them holds afterwards.
std::vector<std::string> after(std::vector<std::string> lines, const std::vector<ResolverChange>& changes) {
  for (const ResolverChange& change : changes) {
    for (const std::string& name : change.names) {
      std::erase_if(lines, [&](const std::string& line) { return line.starts_with(name + " "); });
    }
    lines.insert(lines.end(), change.records.begin(), change.records.end());
  }
  lines = sorted(lines);
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

}  // namespace

TEST_CASE("a replica has addresses under its own and its workload's name, its ports, and a name for its addresses") {
  NetworkNames names{7, address("198.19.0.1"), "hello", {web(0, "10.42.0.7", "fd12:3456::a2a:7"), web(1, "10.42.0.8")}};
  CHECK_EQ(records(names),
           sorted({"web.hello.internal. 1 IN A 10.42.0.7", "web.hello.internal. 1 IN A 10.42.0.8",
                   "web-0.hello.internal. 1 IN A 10.42.0.7", "web-1.hello.internal. 1 IN A 10.42.0.8",
                   "web.hello.internal. 1 IN AAAA fd12:3456::a2a:7", "web-0.hello.internal. 1 IN AAAA fd12:3456::a2a:7",
                   "_http._tcp.web.hello.internal. 1 IN SRV 0 1 80 web-0.hello.internal.",
                   "_http._tcp.web.hello.internal. 1 IN SRV 0 1 80 web-1.hello.internal.",
                   "7.0.42.10.in-addr.arpa. 1 IN PTR web-0.hello.internal.",
                   "8.0.42.10.in-addr.arpa. 1 IN PTR web-1.hello.internal.",
                   "7.0.0.0.a.2.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.5.4.3.2.1.d.f.ip6.arpa. 1 IN PTR "
                   "web-0.hello.internal."}));
}

TEST_CASE("nothing but labels and addresses gets into the server's configuration") {
  NetworkNames names{7, address("198.19.0.1"), "hello", {}};
  names.members = {
      {"web'\nlocal-data: 'x", 0, address("10.42.0.7"), "", {}},
      {"db", 0, address("10.42.0.8"), "fd00::1'", {{"x y", "tcp", 1}, {"ok", "sctp", 1}, {"zero", "udp", 0}}},
      {"none", 0, {}, "", {}}};
  CHECK_EQ(records(names), sorted({"db.hello.internal. 1 IN A 10.42.0.8", "db-0.hello.internal. 1 IN A 10.42.0.8",
                                   "8.0.42.10.in-addr.arpa. 1 IN PTR db-0.hello.internal."}));
  names.contract = "a b";
  CHECK(records(names).empty());
}

TEST_CASE("a name with more records than an answer holds keeps as many as fit") {
  NetworkNames names{7, address("198.19.0.1"), "hello", {}};
  for (uint32_t i = 0; i < 10'000; ++i) names.members.push_back(web(i, Ipv4{address("10.42.0.0").value + i}.text()));
  auto lines = records(names);
  auto count = std::count_if(lines.begin(), lines.end(),
                             [](const std::string& line) { return line.starts_with("web.hello.internal. 1 IN A "); });
  CHECK_EQ(count, 3750);
  CHECK(std::find(lines.begin(), lines.end(), "web-9999.hello.internal. 1 IN A 10.42.39.15") != lines.end());
}

TEST_CASE("changes lead from any records to any others, and only a name that loses some of its records is renewed") {
  NetworkNames names{
      7, address("198.19.0.1"), "hello", {web(0, "10.42.0.7", "fd00::7"), web(1, "10.42.0.8", "fd00::8")}};
  auto both = records(names);
  names.members.pop_back();
  auto one = records(names);
  for (const auto& [from, to] : std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>>{
           {{}, both}, {both, one}, {one, both}, {both, {}}, {both, both}}) {
    CHECK_EQ(after(from, resolver_changes(from, to)), to);
  }
  CHECK(resolver_changes(both, both).empty());
  for (const ResolverChange& change : resolver_changes(one, both)) CHECK(change.names.empty());
  auto withdrawal = resolver_changes(both, one);
  REQUIRE_EQ(withdrawal.size(), 2);
  CHECK_EQ(withdrawal[0].names, std::vector<std::string>{"_http._tcp.web.hello.internal.", "web.hello.internal."});
  CHECK_EQ(withdrawal[0].records.size(), 3);
  CHECK_EQ(withdrawal[1].names.size(), 3);
  CHECK(withdrawal[1].records.empty());
}

TEST_CASE("a message to the server is bounded, however many records change") {
  NetworkNames names{7, address("198.19.0.1"), "hello", {}};
  for (uint32_t i = 0; i < 3'000; ++i) {
    names.members.push_back({"w" + std::to_string(i), 0, Ipv4{address("10.42.0.0").value + i}, "", {}});
  }
  auto all = records(names);
  for (const auto& changes : {resolver_changes({}, all), resolver_changes(all, {})}) {
    CHECK(changes.size() > 1);
    for (const ResolverChange& change : changes) {
      size_t bytes = 0;
      for (const auto* list : {&change.names, &change.records}) {
        for (const std::string& line : *list) bytes += line.size() + 1;
      }
      CHECK(bytes <= 60'000);
    }
  }
  CHECK_EQ(after({}, resolver_changes({}, all)), all);
  CHECK(after(all, resolver_changes(all, {})).empty());
}

TEST_CASE("the first networks of a node have their views before they come") {
  std::set<Ipv4> none = resolver_clients({});
  CHECK_EQ(none.size(), 16);
  CHECK(none.contains(address("198.19.0.1")));
  CHECK_EQ(resolver_clients({address("198.19.0.31")}), none);
  CHECK_EQ(resolver_clients({address("198.19.0.33")}).size(), 32);
  CHECK_EQ(resolver_clients({address("10.9.9.9")}).size(), 17);
  CHECK_EQ(resolver_clients({address("198.19.0.32")}).size(), 17);  // no network's end of a transit
}

TEST_CASE("records are read back as they were written, and nothing else is") {
  std::vector<std::string> lines = {"a.b.internal. 1 IN A 10.0.0.1", "b.b.internal. 1 IN A 10.0.0.2"};
  CHECK_EQ(resolver_records(resolver_data(lines)), lines);
  CHECK(resolver_records("").empty());
  CHECK(resolver_records("local-data: '\nlocal-data: 'x\n\n'\n#\nlocal-data: 'cut off").empty());
}

TEST_CASE("an answer that counts otherwise than we do is an error with the server's words") {
  CHECK(check_resolver_count("added 12 datas\n", 12).has_value());
  CHECK(check_resolver_count("removed 0 datas\n", 0).has_value());
  CHECK_FALSE(check_resolver_count("added 12 datas\n", 2).has_value());
  auto bad = check_resolver_count("error parsing local-data at line 1\nadded 1 datas\n", 2);
  CHECK_EQ(bad.error().message, "unbound: error parsing local-data at line 1");
}
