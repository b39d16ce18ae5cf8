#include "kv/metrics.h"

#include <doctest/doctest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "io/file.h"
#include "kv/server.h"
#include "kv/test_sessions.h"
#include "testing/source_tree.h"
#include "wire/http_client.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

struct Family {
  std::string type;
  std::map<std::string, double> samples;  // by the whole name, with labels
  std::set<std::string> labels;
};

// Read strictly: HELP, TYPE, then samples of that family only; no sample twice. Histograms grow and end with +Inf.
std::map<std::string, Family> parse(const std::string& text) {
  static const std::regex kHead(R"(# (HELP|TYPE) (kv_[a-z_]+) (.+))");
  static const std::regex kSample(R"re((kv_[a-z_]+)(\{([a-z]+="[^"\\\n]*",?)*\})? ([0-9.e+-]+|\+Inf))re");
  static const std::regex kLabel(R"re(([a-z]+)=")re");
  std::map<std::string, Family> families;
  std::istringstream lines(text);
  std::string line, current;
  std::smatch match;
  bool has_type = false;
  while (std::getline(lines, line)) {
    CAPTURE(line);
    if (std::regex_match(line, match, kHead)) {
      if (match[1] == "HELP") {
        current = match[2];
        CHECK_FALSE(families.contains(current));
        families[current];
        has_type = false;
      } else {
        CHECK_EQ(match[2], current);
        families[current].type = match[3];
        has_type = true;
      }
      continue;
    }
    REQUIRE(std::regex_match(line, match, kSample));
    REQUIRE(has_type);
    Family& family = families[current];
    std::string name = match[1];
    bool is_histogram = family.type == "histogram";
    if (is_histogram)
      CHECK((name == current + "_bucket" || name == current + "_sum" || name == current + "_count"));
    else
      CHECK_EQ(name, current);
    std::string whole = line.substr(0, line.rfind(' '));
    CHECK_FALSE(family.samples.contains(whole));
    family.samples[whole] = std::stod(match[4]);
    std::string labels = match[2];
    for (std::sregex_iterator at(labels.begin(), labels.end(), kLabel), end; at != end; ++at) {
      if ((*at)[1] != "le") family.labels.insert((*at)[1]);
    }
  }
  return families;
}

double sample(const std::map<std::string, Family>& families, const std::string& family, const std::string& whole) {
  auto found = families.find(family);
  if (found == families.end() || !found->second.samples.contains(whole)) return -1;
  return found->second.samples.at(whole);
}

Bytes request(const std::vector<std::string_view>& words) { return wire::resp_request(words); }

}  // namespace

TEST_CASE("commands are counted by dialect, name and result, and keys and bytes by namespace") {
  TestSessions sessions;
  Session& zdb = sessions.open();
  Session& redis = sessions.open();
  sessions.feed(redis, request({"HELLO", "3"}));
  for (int i = 0; i < 3; i++) sessions.feed(redis, request({"SET", "key" + std::to_string(i), "value"}));
  sessions.feed(redis, request({"GET", "key1"}));
  sessions.feed(redis, request({"INCR", "key1"}));
  sessions.feed(redis, request({"NOSUCH"}));
  sessions.feed(zdb, request({"GET", "none"}));
  sessions.feed(zdb, request({"NSNEW", "odd \"name\"\n%"}));
  auto families = parse(metrics_text(sessions.state()));
  auto commands = [&](const std::string& labels) {
    return sample(families, "kv_commands_total", "kv_commands_total{" + labels + "}");
  };
  CHECK_EQ(commands("dialect=\"redis\",command=\"SET\",result=\"ok\""), 3);
  CHECK_EQ(commands("dialect=\"redis\",command=\"GET\",result=\"ok\""), 1);
  CHECK_EQ(commands("dialect=\"redis\",command=\"INCR\",result=\"error\""), 1);
  CHECK_EQ(commands("dialect=\"redis\",command=\"unknown\",result=\"error\""), 1);
  CHECK_EQ(commands("dialect=\"0-db\",command=\"GET\",result=\"ok\""), 1);
  CHECK_EQ(sample(families, "kv_namespace_keys", "kv_namespace_keys{namespace=\"default\"}"), 3);
  CHECK_EQ(sample(families, "kv_namespace_live_bytes", "kv_namespace_live_bytes{namespace=\"default\"}"), 27);
  CHECK_EQ(sample(families, "kv_namespaces", "kv_namespaces"), 2);
  CHECK_EQ(sample(families, "kv_namespace_keys", "kv_namespace_keys{namespace=\"odd%20%22name%22%0a%25\"}"), 0);
}

TEST_CASE("what took how long lies in the right bucket, at its edge too, and histograms only grow") {
  TestSessions sessions;
  Tallies& tallies = sessions.state().make_tallies();
  tallies.reads.add(10, 4);
  tallies.reads.add(11);
  tallies.reads.add(2'000'000, 2);
  tallies.reads.add(60'000'000);
  auto families = parse(metrics_text(sessions.state()));
  auto bucket = [&](const std::string& le) {
    return sample(families, "kv_read_seconds", "kv_read_seconds_bucket{le=\"" + le + "\"}");
  };
  CHECK_EQ(bucket("1e-05"), 4);
  CHECK_EQ(bucket("2.5e-05"), 5);
  CHECK_EQ(bucket("1"), 5);
  CHECK_EQ(bucket("2.5"), 7);
  CHECK_EQ(bucket("10"), 7);
  CHECK_EQ(bucket("+Inf"), 8);
  CHECK_EQ(sample(families, "kv_read_seconds", "kv_read_seconds_count"), 8);
  CHECK_EQ(sample(families, "kv_read_seconds", "kv_read_seconds_sum"), doctest::Approx(64.000051));
}

TEST_CASE("docs/reference/kv-metrics.md has every metric with its type and labels, and no other") {
  TestSessions sessions;
  sessions.feed(sessions.open(), request({"PING"}));
  auto families = parse(metrics_text(sessions.state()));
  std::string page = io::read_file(testing::source_tree() + "/docs/reference/kv-metrics.md").value();
  static const std::regex kRow(R"(\| `(kv_[a-z_]+)` \| ([a-z]+) \|([^|]*)\|)");
  static const std::regex kLabel(R"(`([a-z]+)`)");
  std::set<std::string> written;
  for (std::sregex_iterator at(page.begin(), page.end(), kRow), end; at != end; ++at) {
    std::string name = (*at)[1], labels = (*at)[3];
    CAPTURE(name);
    written.insert(name);
    REQUIRE(families.contains(name));
    CHECK_EQ(families[name].type, (*at)[2]);
    std::set<std::string> named;
    for (std::sregex_iterator label(labels.begin(), labels.end(), kLabel); label != end; ++label)
      named.insert((*label)[1]);
    CHECK(named == families[name].labels);
    CHECK_EQ(name.ends_with("_total"), families[name].type == "counter");
  }
  for (const auto& [name, family] : families) CHECK_MESSAGE(written.contains(name), name);
}

TEST_CASE("a command table never has more commands than are counted") {
  CHECK_LE(zdb_commands().size(), kCommandsMax);
  CHECK_LE(redis_commands().size(), kCommandsMax);
}

TEST_CASE("a server serves its metrics at /metrics, and nothing else there") {
  ServerOptions options;
  options.has_metrics = true;
  SessionStore store;
  options.service.folder = store.folder.path();
  auto server = Server::start(*store.store, store.disk, store.clock, store.random, options).value();
  REQUIRE_NE(server->metrics_port(), 0);
  auto client = wire::HttpClient::create(
      wire::Endpoint::parse("http://127.0.0.1:" + std::to_string(server->metrics_port())).value(), {});
  auto page = client->get("/metrics").value();
  CHECK_EQ(page.status, 200);
  CHECK_EQ(page.content_type, "text/plain; version=0.0.4");
  CHECK(parse(page.body).contains("kv_info"));
  CHECK_EQ(client->get("/").value().status, 404);
  CHECK_EQ(client->send({.method = "POST", .target = "/metrics"}).value().status, 404);
  server->stop();
  CHECK_FALSE(client->get("/metrics").has_value());
}
