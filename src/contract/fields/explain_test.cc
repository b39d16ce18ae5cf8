#include "contract/fields/explain.h"

#include <doctest/doctest.h>

#include <set>

#include "contract/fields/schema.h"

using namespace mcloud;
using namespace mcloud::contract;

TEST_CASE("a field is explained by its path, through lists and free keys") {
  Explained interval = explain("container.health.interval").value();
  CHECK_EQ(interval.is, "a duration, 100ms to 1h");
  CHECK_EQ(interval.fallback, "2s");
  CHECK_EQ(interval.min, "100ms");
  CHECK_EQ(explain("workloads.kv.followers")->max, "15");
  CHECK_EQ(explain("approvals.signers.weight").value().fallback, "1");
  CHECK_EQ(explain("container.environment.secret")->types, std::vector<std::string>{"text"});
  CHECK_EQ(explain("publish.routes.to.weight")->max, "256");
  CHECK_EQ(explain("network.encryption")->words, std::vector<std::string>{"wireguard", "dedicated", "none"});
  CHECK(explain("approvals.threshold")->fallback_is_words);
  CHECK(explain("container.image")->required);
  Explained container = explain("container").value();
  CHECK_GT(container.below.size(), 15u);
  CHECK_EQ(container.below.front().path, "container.image");
}

TEST_CASE("an unknown field is answered with the nearest, or with what there is") {
  CHECK_EQ(explain("container.helth").error().message,
           "\"container\" has no field \"helth\"; did you mean \"container.health\"?");
  CHECK_EQ(explain("contaner").error().message, "the language has no \"contaner\"; did you mean \"container\"?");
  CHECK_EQ(explain("volume.nonsense").error().message, "\"volume\" has no field \"nonsense\"; there are size");
  for (const char* path : {"", ".", "container.", "container..image", "a.b.c.d", "volume.size.size"}) {
    CAPTURE(path);
    Result<Explained> found = explain(path);
    if (found) CHECK_EQ(found->path, "container");
  }
}

TEST_CASE("every path of the tree can be explained and stands there once") {
  std::set<std::string> seen;
  for (const Explained& one : explain_all()) {
    CAPTURE(one.path);
    CHECK(seen.insert(one.path).second);
    CHECK_EQ(explain(one.path)->path, one.path);
    CHECK_FALSE(one.says.empty());
  }
  CHECK_GT(seen.size(), 150u);
}

TEST_CASE("the schema names every key of the table") {
  const std::string schema = json_schema();
  CHECK_EQ(schema, json_schema());
  for (const Explained& one : explain_all()) {
    CAPTURE(one.path);
    if (one.types == std::vector<std::string>{"kind"}) continue;
    CHECK(schema.find("\"" + one.path.substr(one.path.rfind('.') + 1) + "\": {") != std::string::npos);
  }
}
