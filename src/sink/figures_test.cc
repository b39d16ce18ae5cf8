#include "sink/figures.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::sink;

TEST_CASE("figures are read with their labels, by the beginning of their names") {
  auto figures = parse_figures(
      "# TYPE mcloud_network_bytes_total counter\n"
      "mcloud_network_bytes_total{node=\"n1\",network=\"a\\\"b\\\\c\\nd\"} 17\n"
      "node_load 0.5\n"
      "mcloud_network_up 1\n",
      "mcloud_network_");
  REQUIRE(figures.has_value());
  REQUIRE_EQ(figures->size(), 2);
  CHECK_EQ((*figures)[0].name, "mcloud_network_bytes_total");
  CHECK_EQ((*figures)[0].labels.at("node"), "n1");
  CHECK_EQ((*figures)[0].labels.at("network"), "a\"b\\c\nd");
  CHECK_EQ((*figures)[0].value, "17");
  CHECK_EQ((*figures)[1].value, "1");
}

TEST_CASE("what is no figure is named by its line") {
  for (const char* text : {"mcloud_x", "mcloud_x{", "mcloud_x{a} 1", "mcloud_x{a=\"b} 1", "ok 1\nmcloud_x{=\"b\"} 1\n"}) {
    CAPTURE(text);
    auto figures = parse_figures(text, "");
    REQUIRE_FALSE(figures.has_value());
    CHECK_NE(figures.error().message.find("line"), std::string::npos);
  }
}
