#include "image/oci/manifest.h"

#include "image/path.h"
#include "image/source.h"
#include "image/unpacked/test_image.h"

using namespace mcloud;
using namespace mcloud::image;
using Json = nlohmann::json;

namespace {

Json good_manifest() {
  return {{"schemaVersion", 2},
          {"config", TestImage::descriptor("config", "application/vnd.oci.image.config.v1+json")},
          {"layers", {TestImage::descriptor("layer", "application/vnd.oci.image.layer.v1.tar+gzip")}}};
}

Code refused(const Json& json) {
  auto parsed = parse_manifest(json.dump());
  REQUIRE_FALSE(parsed.has_value());
  return parsed.error().code;
}

}  // namespace

TEST_CASE("sources are an OCI layout, a docker archive or a registry") {
  Source layout = parse_source("oci:/images/hello:v1").value();
  CHECK_EQ(layout.kind, Source::Kind::OciLayout);
  CHECK_EQ(layout.place, "/images/hello");
  CHECK_EQ(layout.tag, "v1");
  CHECK_EQ(parse_source("oci:hello").value().tag, "");
  Source archive = parse_source("docker-archive:/x.tar:name:tag").value();
  CHECK_EQ(archive.place, "/x.tar");
  CHECK_EQ(archive.tag, "name:tag");
  Source registry = parse_source("docker://host:5000/team/app:1.2@sha256:00").value();
  CHECK_EQ(registry.place, "host:5000/team/app");
  CHECK_EQ(registry.tag, "1.2");
  CHECK_EQ(parse_source("docker://host:5000/app").value().tag, "");
  Source flist = parse_source("fl:/images/web:1.fl").value();
  CHECK_EQ(flist.kind, Source::Kind::Flist);
  CHECK_EQ(flist.place, "/images/web:1.fl");
  CHECK_FALSE(flist.is_remote());
  Source remote = parse_source("fl:https://host:8080/team/web.fl").value();
  CHECK_EQ(remote.place, "https://host:8080/team/web.fl");
  CHECK(remote.is_remote());
  for (const char* text : {"fl:", "fl:http:x.fl", "fl:https://", "fl:http://host", "fl:http://host/", "fl:http:///x.fl",
                           "fl:http://me:secret@host/x.fl", "fl:http://host/a b.fl"}) {
    CHECK_EQ(parse_source(text).error().code, Code::Invalid);
  }
  for (const char* text : {"", "hello", "oci:", "http://x", "docker://a b", "docker-archive:"}) {
    CHECK_EQ(parse_source(text).error().code, Code::Invalid);
  }
}

TEST_CASE("a manifest lists its config and layers") {
  auto parsed = parse_manifest(good_manifest().dump()).value();
  const Manifest& manifest = std::get<Manifest>(parsed);
  CHECK_EQ(manifest.config.digest, Digest::of("config"));
  REQUIRE_EQ(manifest.layers.size(), 1);
  CHECK_EQ(manifest.layers[0].bytes, 5);
}

TEST_CASE("a manifest with a wrong field is refused") {
  CHECK_FALSE(parse_manifest("").has_value());
  CHECK_FALSE(parse_manifest("[]").has_value());
  CHECK_FALSE(parse_manifest(std::string(5 << 20, ' ')).has_value());
  CHECK_FALSE(parse_manifest(std::string(4 << 20, '[')).has_value());
  CHECK_FALSE(parse_archive_manifest(std::string(100, '[') + std::string(100, ']')).has_value());
  auto changed = [](auto change) {
    Json json = good_manifest();
    change(json);
    return refused(json);
  };
  CHECK_EQ(changed([](Json& j) { j["schemaVersion"] = 1; }), Code::Unsupported);
  CHECK_EQ(changed([](Json& j) { j.erase("config"); }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j["manifests"] = Json::array(); }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j.erase("layers"); }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j["layers"] = 1; }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j["layers"][0]["digest"] = "sha256:../../etc/passwd"; }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j["layers"][0]["digest"] = "md5:00"; }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j["layers"][0]["size"] = -1; }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j["layers"][0]["size"] = 1ull << 60; }), Code::Corrupt);
  CHECK_EQ(changed([](Json& j) { j["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+encrypted"; }),
           Code::Unsupported);
  CHECK_EQ(changed([](Json& j) { j["layers"] = Json(std::vector<Json>(200, j["layers"][0])); }), Code::Corrupt);
}

TEST_CASE("an index chooses this machine's platform") {
  auto entry = [](const std::string& content, const std::string& os, const std::string& architecture) {
    Json json = TestImage::descriptor(content, "application/vnd.oci.image.manifest.v1+json");
    json["platform"] = {{"os", os}, {"architecture", architecture}};
    return json;
  };
  Json json = {{"schemaVersion", 2},
               {"manifests", {entry("a", "windows", machine_architecture()), entry("b", "linux", machine_architecture()),
                              entry("c", "linux", "s390x")}}};
  PlatformIndex index = std::get<PlatformIndex>(parse_manifest(json.dump()).value());
  CHECK_EQ(choose_platform(index).value().digest, Digest::of("b"));
  index.manifests.erase(index.manifests.begin() + 1);
  Error missing = choose_platform(index).error();
  CHECK_EQ(missing.code, Code::NotFound);
  CHECK(missing.message.find("linux/s390x") != std::string::npos);
}

TEST_CASE("a config says how to run the image") {
  TestImage image;
  image.tars = {"tar"};
  ConfigDocument document = parse_config(image.config_json()).value();
  CHECK_EQ(document.config.entrypoint, std::vector<std::string>{"/bin/app"});
  CHECK_EQ(document.config.user, "web:34");
  CHECK_EQ(document.config.stop_signal, "SIGQUIT");
  CHECK_EQ(document.layer_contents[0], Digest::of("tar"));
  for (const char* text : {"", "{}", R"({"rootfs":{"diff_ids":["x"]}})", R"({"rootfs":{},"config":{"Env":["novalue"]}})",
                           R"({"rootfs":{},"config":{"Cmd":"text"}})", R"({"rootfs":{},"config":{"User":"a\u0000b"}})"}) {
    CHECK_FALSE(parse_config(text).has_value());
  }
  // What Go writes for nothing.
  CHECK(parse_config(R"({"rootfs":{"diff_ids":null},"config":{"Cmd":null,"Env":null}})").has_value());
}

TEST_CASE("paths are normal and stay inside") {
  CHECK_EQ(normal_path("./a//b/.").value(), "a/b");
  CHECK_EQ(normal_path("/").value(), "");
  CHECK_EQ(normal_path("...").value(), "...");
  CHECK_FALSE(normal_path("a/../b").has_value());
  CHECK_FALSE(normal_path(std::string_view("a\0b", 3)).has_value());
}
