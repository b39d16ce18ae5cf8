// What protects back ends and other people's names, as HAProxy is told it. tests/gateway tries each with a real HAProxy.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "gateway/haproxy_config.h"
#include "gateway/test_sites.h"

namespace mcloud::gateway {
namespace {

HaproxyConfig config_of(const pb::LocalGateway& gateway) { return haproxy_config(gateway, {"/run/g", "haproxy", true, 1'000}); }

// The section's lines, without their indent.
std::vector<std::string> section(const std::string& text, const std::string& head) {
  std::vector<std::string> out;
  bool is_in = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  ")) is_in = line == head;
    else if (is_in) out.push_back(line.substr(2));
  }
  return out;
}

bool has(const std::vector<std::string>& lines, const std::string& wanted) { return std::ranges::find(lines, wanted) != lines.end(); }

// Where a line that begins so stands; past the end when there is none.
ptrdiff_t place_of(const std::vector<std::string>& lines, const std::string& begin) {
  return std::ranges::find_if(lines, [&](const std::string& line) { return line.starts_with(begin); }) - lines.begin();
}

std::string backend_of(const HaproxyConfig& config, size_t index = 0) { return "backend " + config.backends.at(index).name; }

TEST_CASE("a request that may have been done is not sent again: only GET, HEAD and OPTIONS are") {
  pb::LocalGateway gateway = test_gateway();
  add_test_site(gateway, "www");
  HaproxyConfig config = config_of(gateway);
  std::vector<std::string> lines = section(config.text, backend_of(config));
  REQUIRE(has(lines, "retry-on conn-failure empty-response"));
  CHECK(has(lines, "http-request disable-l7-retry unless { method GET HEAD OPTIONS }"));
  gateway.mutable_sites(0)->mutable_site()->set_retries(0);
  lines = section(config_of(gateway).text, backend_of(config));
  CHECK(has(lines, "retries 0"));
  CHECK(!has(lines, "retry-on conn-failure empty-response"));
}

TEST_CASE("a body is bounded, and one of unknown length is refused") {
  pb::LocalGateway gateway = test_gateway();
  pb::Site& site = *add_test_site(gateway, "www").mutable_site();
  site.set_body_max_bytes(1'000);
  HaproxyConfig config = config_of(gateway);
  std::vector<std::string> lines = section(config.text, backend_of(config));
  CHECK(has(lines, "http-request deny deny_status 413 if { req.body_size gt 1000 }"));
  ptrdiff_t waits = place_of(lines, "http-request wait-for-body time 5s at-least 1 if !states_length !is_web_socket");
  ptrdiff_t chunks = place_of(lines, "http-request return status 411");
  CHECK(chunks < waits);
  CHECK(std::ranges::count_if(lines, [](const std::string& line) { return line.starts_with("http-request return status 411"); }) == 2);
  site.mutable_routes(0)->set_h2(true);
  lines = section(config_of(gateway).text, backend_of(config));
  CHECK(has(lines, "http-request deny deny_status 413 if { req.body_size gt 1000 }"));
  CHECK(place_of(lines, "http-request wait-for-body") == static_cast<ptrdiff_t>(lines.size()));
}

TEST_CASE("a certificate is shown for its own site's names only, whatever names are in it") {
  pb::LocalGateway gateway = test_gateway();
  add_test_site(gateway, "mine").mutable_site()->mutable_tls()->mutable_supplied()->set_chain("PEM");
  add_test_site(gateway, "yours").mutable_site()->mutable_tls()->mutable_supplied()->set_chain("PEM");
  std::istringstream lines(config_of(gateway).files.at("certificates.list"));
  std::map<std::string, std::string> names;
  for (std::string line; std::getline(lines, line);) {
    size_t space = line.find(' ');
    names[line.substr(0, space)] = space == line.npos ? "" : line.substr(space + 1);
  }
  CHECK(names.size() == 3);
  for (const auto& [file, shown_for] : names) {
    bool is_placeholder = file.ends_with("placeholder.pem");
    CHECK(shown_for == (is_placeholder ? "" : file.find(to_hex("mine")) != file.npos ? "mine.gw.example" : "yours.gw.example"));
  }
}

TEST_CASE("what a stranger says about who he is is taken off before ours is added") {
  pb::LocalGateway gateway = test_gateway();
  add_test_site(gateway, "www");
  std::string text = config_of(gateway).text;
  for (const char* frontend : {"frontend http", "frontend https"}) {
    std::vector<std::string> lines = section(text, frontend);
    REQUIRE(has(lines, "http-request del-header X-Forwarded- -m beg"));
    CHECK(has(lines, "http-request del-header Forwarded"));
    CHECK(has(lines, "http-request del-header X-Real-IP"));
    CHECK(has(lines, "option http-restrict-req-hdr-names delete"));  // X_Forwarded_For
    CHECK(place_of(lines, "http-request del-header") < place_of(lines, "http-request add-header X-Forwarded-"));
  }
}

}  // namespace
}  // namespace mcloud::gateway
