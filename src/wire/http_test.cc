#include "wire/http.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::wire;

namespace {

std::optional<std::string> parameter(const std::string& target, std::string_view name) {
  HttpRequest request;
  request.target = target;
  return request.parameter(name);
}

}  // namespace

TEST_CASE("parameters of a query are found and decoded") {
  CHECK_EQ(parameter("/a?x=1&y=a%20b%2Fc&z", "x"), "1");
  CHECK_EQ(parameter("/a?x=1&y=a%20b%2Fc&z", "y"), "a b/c");
  CHECK_EQ(parameter("/a?x=1&y=a%20b%2Fc&z", "z"), "");
  CHECK_EQ(parameter("/a?%78=1", "x"), "1");
  CHECK_EQ(parameter("/a?x=1&x=2", "x"), "1");
  CHECK_EQ(parameter("/a?x=1=2", "x"), "1=2");
  CHECK_EQ(parameter("/a?x=a+b", "x"), "a+b");
  CHECK_FALSE(parameter("/a?x=1", "y").has_value());
  CHECK_FALSE(parameter("/a?x=%zz", "x").has_value());
  CHECK_FALSE(parameter("/a?x=%1", "x").has_value());
  CHECK_FALSE(parameter("/x=1", "x").has_value());
  CHECK_FALSE(parameter("/a?", "x").has_value());
  CHECK_FALSE(parameter("/a?&&&", "x").has_value());
}

TEST_CASE("the path is the target without its query") {
  HttpRequest request;
  request.target = "/a/b?c=d?e";
  CHECK_EQ(request.path(), "/a/b");
  request.target = "/a/b";
  CHECK_EQ(request.path(), "/a/b");
}

TEST_CASE("what is percent-encoded decodes to the same") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK_EQ(percent_decode(percent_encode(all)), all);
  CHECK_EQ(percent_encode("a b/ä~"), "a%20b%2F%C3%A4~");
}

TEST_CASE("each error code has a status, and the body brings it back whole") {
  for (int i = 0; i <= static_cast<int>(Code::Internal); ++i) {
    Error error = make_error(static_cast<Code>(i), "why \"so\"\n");
    HttpResponse response = error_response(error);
    CHECK_GE(response.status, 400);
    Error back = error_of_response(response);
    CHECK_EQ(back.code, error.code);
    CHECK_EQ(back.message, error.message);
  }
  CHECK_EQ(error_response(make_error(Code::NotFound, "no x")).body,
           R"({"error":{"code":"not-found","message":"no x"}})");
}

TEST_CASE("an answer from something else is quoted, shortened and cleaned") {
  HttpResponse response;
  response.status = 502;
  response.body = "<html>\x1b[31mBad\r\n";
  CHECK_EQ(error_of_response(response).code, Code::Unavailable);
  CHECK_EQ(error_of_response(response).message, "HTTP status 502: <html> [31mBad");
  response.body = std::string(10'000, 'x');
  CHECK_LT(error_of_response(response).message.size(), 300u);
  response.body = "";
  CHECK_EQ(error_of_response(response).message, "HTTP status 502");
  response.body = R"({"error":"text"})";
  CHECK_EQ(error_of_response(response).message, "HTTP status 502: {\"error\":\"text\"}");
}

TEST_CASE("endpoints are read as people write them") {
  Endpoint endpoint = Endpoint::parse("http://10.1.2.3:8080/api/").value();
  CHECK_EQ(endpoint.host, "10.1.2.3");
  CHECK_EQ(endpoint.port, 8080);
  CHECK_EQ(endpoint.prefix, "/api");
  CHECK_EQ(endpoint.text, "http://10.1.2.3:8080/api/");
  CHECK_EQ(Endpoint::parse("http://name").value().port, 80);
  CHECK_EQ(Endpoint::parse("http://[::1]:90").value().host, "::1");
  CHECK_EQ(Endpoint::parse("http://[::1]:90").value().port, 90);
  CHECK_EQ(Endpoint::parse("unix:/run/a.sock").value().unix_path, "/run/a.sock");
  CHECK_FALSE(Endpoint::parse("http://name").value().is_tls);
  CHECK(Endpoint::parse("https://name/x").value().is_tls);
  CHECK_EQ(Endpoint::parse("https://name/x").value().port, 443);
}

TEST_CASE("an endpoint that is none says what is allowed") {
  CHECK_EQ(Endpoint::parse("ftp://x").error().message,
           "endpoint \"ftp://x\": it begins with none of http://, https:// and unix:; write "
           "http://HOST:PORT, https://HOST:PORT or unix:/PATH");
  for (const char* text : {"", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:1x",
                           "http://a:", "http://a b", "http://a\r\nb", "http://u@h", "http://[::1", "http://[::1]x",
                           "unix:", "unix:relative", "http://a/?x", "http://a/#x", "http://a:+1"}) {
    CHECK_MESSAGE(!Endpoint::parse(text).has_value(), text);
  }
  CHECK_FALSE(Endpoint::parse("unix:/" + std::string(107, 'x')).has_value());
}

TEST_CASE("an endpoint's authority leaves out the port that its scheme means") {
  CHECK_EQ(Endpoint::parse("http://name:80/x").value().authority(), "name");
  CHECK_EQ(Endpoint::parse("http://name:443").value().authority(), "name:443");
  CHECK_EQ(Endpoint::parse("https://name").value().authority(), "name");
  CHECK_EQ(Endpoint::parse("https://[::1]:8443").value().authority(), "[::1]:8443");
  CHECK_EQ(Endpoint::parse("unix:/run/a.sock").value().authority(), "localhost");
}
