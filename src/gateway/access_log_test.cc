#include "gateway/access_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/file.h"
#include "testing/temporary_folder.h"

namespace mcloud::gateway {
namespace {

// As HAProxy's standard output: for reading too, so that it is never without a reader.
io::Fd opened(const std::string& path) {
  io::Fd pipe(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(pipe.is_open());
  return pipe;
}

void say(const io::Fd& pipe, const std::string& line) { REQUIRE(::write(pipe.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size())); }

std::string wait_for(const std::string& path, const std::string& text) {
  io::SystemClock clock;
  for (uint64_t deadline = clock.monotonic_ms() + 10'000; clock.monotonic_ms() < deadline; ::poll(nullptr, 0, 5)) {
    Bytes found = io::read_file(path).value_or("");
    if (found.find(text) != found.npos) return found;
  }
  return "";
}

struct Stand {
  testing::TemporaryFolder folder;
  std::unique_ptr<AccessLog> log;
  Stand() {
    start();
  }
  void start() {
    Result<std::unique_ptr<AccessLog>> started = AccessLog::start({pipe(), folder.path() + "/logs", 1'000}, {{"site_0", "site"}, {"site_1", "site"}});
    REQUIRE(started.has_value());
    log = std::move(*started);
  }
  std::string pipe() const { return folder.path() + "/pipe"; }
  std::string path() const { return folder.path() + "/logs/site/log"; }
};

TEST_CASE("lines of a site's back ends come into its file, those of strangers nowhere") {
  Stand stand;
  io::Fd worker = opened(stand.pipe());
  say(worker, "nobody {\"n\":0}\nsite_0 {\"n\":1}\n");
  say(opened(stand.pipe()), "site_1 {\"n\":2}\n");
  std::string found = wait_for(stand.path(), "{\"n\":2}");
  CHECK(found.find("{\"n\":1}") != std::string::npos);
  CHECK(found.find("\"n\":0") == std::string::npos);
}

TEST_CASE("a file that is full starts afresh under its name") {
  Stand stand;
  io::Fd worker = opened(stand.pipe());
  std::string last;
  for (int number = 0; number < 40; ++number) {
    last = "{\"number\":" + std::to_string(number) + "}";
    say(worker, "site_0 " + last + "\n");
    REQUIRE(wait_for(stand.path(), last) != "");
  }
  std::string left = io::read_file(stand.path()).value();
  CHECK(left.size() <= 1'000);
  CHECK(left.find("{\"number\":0}") == std::string::npos);
}

TEST_CASE("what is said while nobody reads is read by the next one") {
  Stand stand;
  io::Fd worker = opened(stand.pipe());
  stand.log.reset();
  say(worker, "site_0 {\"alone\":true}\n");
  stand.start();
  CHECK(wait_for(stand.path(), "alone") != "");
}

}  // namespace
}  // namespace mcloud::gateway
