// docker:// sources, against Debian's registry on loopback and the real skopeo.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "flist/convert/sources.h"
#include "flist/convert/test_stores.h"
#include "image/unpacked/test_image.h"
#include "io/process.h"

using namespace mcloud;
using namespace mcloud::flist;
using image::Tar;
using image::TestFolder;
using image::write_text;

namespace {

bool is_installed(const std::string& program) { return io::run({{program, "--version"}}).has_value(); }

class RegistryServer {
 public:
  explicit RegistryServer(const std::string& folder) {
    REQUIRE(io::make_folders(folder).has_value());
    write_text(folder + "/config.yml", "version: 0.1\nstorage: {filesystem: {rootdirectory: " + folder +
                                           "/data}}\nhttp: {addr: '127.0.0.1:0'}\n");
    int ends[2];
    REQUIRE_EQ(pipe2(ends, O_CLOEXEC), 0);
    log_ = io::Fd(ends[0]);
    io::Fd writer(ends[1]);
    io::Child::Streams streams;
    streams.output = writer.get();
    streams.errors = writer.get();
    io::Command command{{"docker-registry", "serve", folder + "/config.yml"}};
    Result<std::unique_ptr<io::Child>> child = io::Child::start(command, streams);
    REQUIRE_MESSAGE(child.has_value(), child.error().message);
    child_ = std::move(*child);
    address_ = wait_for_address();
  }
  const std::string& address() const { return address_; }

 private:
  // "... msg="listening on 127.0.0.1:45555" ..."
  std::string wait_for_address() {
    constexpr std::string_view kWords = "listening on ";
    std::string text;
    while (true) {
      size_t at = text.find(kWords);
      size_t end = at == std::string::npos ? at : text.find_first_of(" \"\n", at + kWords.size());
      if (end != std::string::npos) return text.substr(at + kWords.size(), end - at - kWords.size());
      pollfd waiting{log_.get(), POLLIN, 0};
      REQUIRE_EQ(poll(&waiting, 1, 20'000), 1);
      char piece[4096];
      ssize_t got = read(log_.get(), piece, sizeof piece);
      REQUIRE_MESSAGE(got > 0, text);
      text.append(piece, static_cast<size_t>(got));
    }
  }

  io::Fd log_;
  std::unique_ptr<io::Child> child_;
  std::string address_;
};

Result<Converted> into(MemoryStores& stores, const std::string& source, const ConvertOptions& options) {
  Assembly assembly(stores, options);
  TRY(load_source(source, assembly));
  return assembly.finish();
}

}  // namespace

TEST_CASE("an image in a registry gives the same as its layout, and leaves nothing on disk") {
  if (!is_installed("docker-registry") || !is_installed("skopeo")) return;
  TestFolder folder;
  image::TestImage image;
  image.tars = {Tar().file("a", "one").file("b").bytes(), Tar().file(".wh.b", "").file("c").bytes()};
  std::string layout = "oci:" + (folder / "layout") + ":latest";
  image.write_layout(folder / "layout");
  RegistryServer registry(folder / "registry");
  std::string place = "docker://" + registry.address() + "/team/app:v1";
  Result<io::Outcome> pushed = io::run_checked(
      {{"skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", layout, place}});
  REQUIRE_MESSAGE(pushed.has_value(), pushed.error().message);

  write_text(folder / "registries.conf", "[[registry]]\nlocation = \"" + registry.address() + "\"\ninsecure = true\n");
  ConvertOptions options;
  options.skopeo = folder / "plain-skopeo";
  write_text(options.skopeo, "#!/bin/sh\nexec skopeo --registries-conf " + (folder / "registries.conf") + " \"$@\"\n");
  REQUIRE_EQ(chmod(options.skopeo.c_str(), 0755), 0);
  REQUIRE(io::make_folders(folder / "temporary").has_value());
  setenv("TMPDIR", (folder / "temporary").c_str(), 1);
  MemoryStores stores;
  Result<Converted> pulled = into(stores, place, options);
  Result<Converted> missing = into(stores, "docker://" + registry.address() + "/team/app:v2", options);
  unsetenv("TMPDIR");
  REQUIRE_MESSAGE(pulled.has_value(), pulled.error().message);
  CHECK_EQ(pulled->flist.image, into(stores, layout, options).value().flist.image);
  CHECK_EQ(missing.error().code, Code::Unavailable);
  CHECK(io::list_folder(folder / "temporary").value().empty());
}
