#include "bot/nearest.h"

#include <doctest/doctest.h>

using namespace mcloud::bot;

TEST_CASE("the nearest word is the one with the fewest slips") {
  std::vector<std::string> known = {"status", "nodes", "cluster", "contracts", "contract"};
  CHECK_EQ(nearest("stauts", known), "status");
  CHECK_EQ(nearest("node", known), "nodes");
  CHECK_EQ(nearest("contrcat", known), "contract");
  CHECK_EQ(nearest("clus", known), "cluster");
}

TEST_CASE("nothing is suggested for what is near to nothing") {
  CHECK_FALSE(nearest("frobnicate", {"status", "nodes"}).has_value());
  CHECK_FALSE(nearest("", {"status"}).has_value());
  CHECK_FALSE(nearest(std::string(100, 'x'), {"status"}).has_value());
  CHECK_EQ(did_you_mean("zzz", {"status"}), "");
}

TEST_CASE("among several equally near ones none is suggested") {
  CHECK_FALSE(nearest("n9", {"n1", "n2"}).has_value());
  CHECK_EQ(nearest("nn1", {"n1", "n2"}), "n1");
  CHECK_EQ(nearest("helo", {"hello", "hello"}), "hello");  // contracts of two people may have one name
  CHECK_EQ(not_found("node", "n9", {"n1", "n2"}), "there is no node \"n9\"; there are: n1, n2");
}

TEST_CASE("what is not found is answered with what there is") {
  CHECK_EQ(not_found("node", "n9x", {}), "there is no node \"n9x\"; there is none at all");
  CHECK_EQ(not_found("node", "zebra", {"n2", "n1"}), "there is no node \"zebra\"; there are: n1, n2");
  CHECK_EQ(not_found("node", "nroth", {"north", "south"}), "there is no node \"nroth\"; did you mean \"north\"?");
}
