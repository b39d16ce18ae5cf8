#include "image/stores/store_url.h"

#include <doctest/doctest.h>

#include "image/stores/store.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

StoreUrl parse(std::string_view text) {
  auto url = StoreUrl::parse(text);
  REQUIRE_MESSAGE(url.has_value(), text, ": ", url.has_value() ? "" : url.error().message);
  return *url;
}

}  // namespace

TEST_CASE("the URLs of the public tools are understood") {
  CHECK_EQ(parse("dir:///srv/blocks/").path, "/srv/blocks");
  CHECK_EQ(parse("dir:///srv/my blocks@home").path, "/srv/my blocks@home");
  CHECK_EQ(parse("dir:///").path, "/");

  StoreUrl kv = parse("zdb://user:p%40ss@hub.example:9901/custom");
  CHECK_EQ(kv.kind, StoreUrl::Kind::Kv);
  CHECK_EQ(kv.user, "user");
  CHECK_EQ(kv.password, "p@ss");
  CHECK_EQ(kv.host, "hub.example");
  CHECK_EQ(kv.port, 9901);
  CHECK_EQ(kv.space, "custom");
  CHECK_EQ(parse("zdb://hub.example").port, 9900);
  CHECK_EQ(parse("zdb://hub.example").space, "");
  CHECK_EQ(parse("kv://[::1]:1/").host, "::1");
  CHECK_EQ(parse("zdb:///run/kv.sock").path, "/run/kv.sock");
  CHECK_EQ(parse("zdb:///run/kv.sock").host, "");

  StoreUrl s3 = parse("s3s://minioadmin:mini%2Fadmin@127.0.0.1:9000/mybucket?region=minio");
  CHECK_EQ(s3.kind, StoreUrl::Kind::S3);
  CHECK(s3.is_tls);
  CHECK_EQ(s3.user, "minioadmin");
  CHECK_EQ(s3.password, "mini/admin");
  CHECK_EQ(s3.space, "mybucket");
  CHECK_EQ(s3.region, "minio");
  CHECK_EQ(parse("s3://k:s@h/bucket").port, 80);
  CHECK_EQ(parse("s3s+tls://k:s@h/bucket").port, 443);
  CHECK_EQ(parse("s3://h/bucket").region, "us-east-1");

  CHECK_EQ(parse("https://blocks.example/a/b/").path, "/a/b");
  CHECK_EQ(parse("https://blocks.example").port, 443);
  CHECK_EQ(parse("http://blocks.example:8080").path, "");
}

TEST_CASE("what is no store's URL is one error that says what is allowed, and quotes no secret") {
  for (std::string_view text :
       {"", "x", "s3cret", "/srv/blocks", "ftp://u:s3cret@h", "dir://relative", "dir://", "zdb://", "zdb://u:s3cret@",
        "zdb://u:s3cret@h:0", "zdb://u:s3cret@h:99999", "zdb://u:s3cret@h/a/b", "zdb://u:s3cret@h/n?x=1",
        "zdb://u:s3cret%zz@h", "zdb://u:s3cret h", "zdb://[::1", "zdb://[::1]x", "s3://k:s3cret@h", "s3://k:s3cret@h/",
        "s3://k@h/bucket", "s3://:s3cret@h/bucket", "s3://k:s3cret/x@h/bucket", "s3://k:s3cret@h/bucket?zone=a",
        "s3://k:s3cret@h/bucket?region=", "s3://k:s3cret@h/b", "http://", "http://u:s3cret@h/", "http://h/?s3cret",
        "http://h/#x", "http://h:/", "http://a b/", "https://h\r\nx", "http://\xc3\xa4/"}) {
    auto url = StoreUrl::parse(text);
    REQUIRE_MESSAGE(!url.has_value(), text);
    CHECK_EQ(url.error().code, Code::Invalid);
    CHECK_MESSAGE(url.error().message.find("s3cret") == std::string::npos, url.error().message);
    CHECK_MESSAGE(url.error().message.find("://") != std::string::npos, url.error().message);
    CHECK_EQ(without_secrets(std::string(text)).find("s3cret"), std::string::npos);
  }
  CHECK_FALSE(StoreUrl::parse("http://h/" + std::string(3000, 'x')).has_value());
  CHECK_EQ(StoreUrl::parse("srv/blocks").error().message,
           "store URL: it begins with none of dir:// zdb:// kv:// s3:// s3s:// s3s+tls:// s3+tls:// http:// https://; "
           "for instance dir:///srv/blocks");
  CHECK_EQ(StoreUrl::parse("http://h:0/").error().message,
           "store URL http://...: the port is not a number from 1 to 65535; write http://HOST[:PORT][/PATH]");
}

TEST_CASE("a URL without its secrets names the same place, and again") {
  for (auto [text, bare] : {std::pair{"zdb://user:pass@h:9900/space", "zdb://h/space"},
                            std::pair{"kv://:pass@[::1]:1/a%20b", "kv://[::1]:1/a%20b"},
                            std::pair{"zdb:///run/kv.sock", "zdb:///run/kv.sock"},
                            std::pair{"s3://k:s@h:9000/bucket?region=eu", "s3://h:9000/bucket?region=eu"},
                            std::pair{"s3s://k:s@h/bucket?region=us-east-1", "s3s://h/bucket"},
                            std::pair{"dir:///srv/blocks", "dir:///srv/blocks"},
                            std::pair{"https://h:443/a/b", "https://h/a/b"}}) {
    CHECK_EQ(without_secrets(text), bare);
    CHECK_EQ(without_secrets(bare), bare);
    CHECK(StoreUrl::parse(bare).has_value());
  }
}

TEST_CASE("routes have a range of first bytes, or all") {
  Route route = parse_route("00-7f=dir:///a=b").value();
  CHECK_EQ(route.first, 0x00);
  CHECK_EQ(route.last, 0x7f);
  CHECK_EQ(route.url, "dir:///a=b");
  route = parse_route("dir:///00-80=x").value();
  CHECK_EQ(route.first, 0x00);
  CHECK_EQ(route.last, 0xff);
  CHECK_EQ(parse_route("A0-aF=dir:///x").value().last, 0xaf);
  for (const char* text : {"80-00=dir:///x", "0g-80=dir:///x", "00-80=", "00-80=x", "00-80dir:///x", "0-8=dir:///x"}) {
    CHECK_MESSAGE(!parse_route(text).has_value(), text);
  }
}
