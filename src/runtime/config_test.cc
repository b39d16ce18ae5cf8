#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "io/file.h"
#include "runtime/cgroup_mounts.h"
#include "runtime/monitor.h"
#include "runtime/oci_config.h"
#include "runtime/process_identity.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_filter.h"

#include <unistd.h>

using namespace mcloud;
using namespace mcloud::runtime;
using Json = nlohmann::json;

namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\nbroken line\nweb:x:33:34::/var/web:/bin/sh\n1000:x:77:78::/odd:/bin/sh\n";
constexpr const char* kGroup = "root:x:0:\nweb:x:34:\nlogs:x:50:other,web\nmore:x:40:web\nbad:x:99999999:web\n";

ContainerSpec good_spec() {
  ContainerSpec spec;
  spec.id = "web-0";
  spec.image_root = "/images/x/root";
  spec.disk_folder = "/disk";
  spec.base_uid = 100'000;
  spec.arguments = {"/bin/true"};
  spec.log_path = "/log";
  return spec;
}

Bytes debian_profile() {
  Result<Bytes> profile = io::read_file("/usr/share/containers/seccomp.json", 1 << 20);
  return profile.has_value() ? *profile : "";
}

// The action for a syscall without regard to arguments; "" when only the default holds.
std::vector<std::string> actions_of(const Json& seccomp, const std::string& name) {
  std::vector<std::string> out;
  for (const Json& rule : seccomp["syscalls"]) {
    for (const Json& item : rule["names"]) {
      if (item == name) out.push_back(rule["action"].get<std::string>() + (rule.contains("args") ? " if" : ""));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("users are looked up as Docker does") {
  ContainerUser root = find_user("", kPasswd, kGroup).value();
  CHECK_EQ(root.user, 0);
  CHECK_EQ(root.home, "/root");
  ContainerUser web = find_user("web", kPasswd, kGroup).value();
  CHECK_EQ(web.user, 33);
  CHECK_EQ(web.group, 34);
  CHECK_EQ(web.other_groups, std::vector<uint32_t>{40, 50});
  CHECK_EQ(web.home, "/var/web");
  CHECK_EQ(find_user("33", kPasswd, kGroup).value().group, 34);
  CHECK_EQ(find_user("4000", kPasswd, kGroup).value().user, 4000);
  CHECK_EQ(find_user("4000", kPasswd, kGroup).value().group, 0);
  ContainerUser mixed = find_user("web:logs", kPasswd, kGroup).value();
  CHECK_EQ(mixed.group, 50);
  CHECK(mixed.other_groups.empty());
  CHECK_EQ(find_user("web:7", kPasswd, kGroup).value().group, 7);
  CHECK_EQ(find_user("1000", kPasswd, kGroup).value().user, 77);
  CHECK_EQ(find_user("0:0", "", "").value().user, 0);
}

TEST_CASE("a user that is not there or has an id out of range is refused") {
  for (const char* user : {"nobody-here", "65536", "-1", "web:nogroup", "web:70000", "1e3"}) {
    Result<ContainerUser> found = find_user(user, kPasswd, kGroup);
    CHECK_EQ(found.error().code, Code::Invalid);
  }
}

TEST_CASE("a spec that crun or conmon could misread is refused") {
  CHECK(check_spec(good_spec()).has_value());
  auto refused = [](auto change) {
    ContainerSpec spec = good_spec();
    change(spec);
    return !check_spec(spec).has_value();
  };
  CHECK(refused([](auto& s) { s.id = "../x"; }));
  CHECK(refused([](auto& s) { s.id = "Web"; }));
  CHECK(refused([](auto& s) { s.id = "_monitors"; }));
  CHECK(refused([](auto& s) { s.id = std::string(65, 'a'); }));
  CHECK(refused([](auto& s) { s.base_uid = 0; }));
  CHECK(refused([](auto& s) { s.base_uid = 65'535; }));
  CHECK(refused([](auto& s) { s.base_uid = UINT32_MAX - 100; }));
  CHECK(refused([](auto& s) { s.arguments.clear(); }));
  CHECK(refused([](auto& s) { s.arguments = {""}; }));
  CHECK(refused([](auto& s) { s.arguments.push_back(std::string("a\0b", 3)); }));
  CHECK(refused([](auto& s) { s.environment = {"=x"}; }));
  CHECK(refused([](auto& s) { s.environment = {"\xff=x"}; }));
  CHECK(refused([](auto& s) { s.working_folder = "relative"; }));
  CHECK(refused([](auto& s) { s.working_folder = "/a/../b"; }));
  CHECK(refused([](auto& s) { s.hostname = "a b"; }));
  CHECK(refused([](auto& s) { s.stop_signal = "SIGNOTHING"; }));
  CHECK(refused([](auto& s) { s.mounts = {{"/volume", "/"}}; }));
  CHECK(refused([](auto& s) { s.mounts = {{"relative", "/data"}}; }));
  CHECK(refused([](auto& s) { s.files = {{"/etc/../../x", "text"}}; }));
  CHECK(refused([](auto& s) { s.files = {{"/x", "text", 04755}}; }));
  CHECK_FALSE(refused([](auto& s) { s.arguments.push_back("gr\xc3\xbc\xc3\x9f"); }));
}

TEST_CASE("stop signals are names or numbers") {
  CHECK_EQ(signal_number("").value(), 15);
  CHECK_EQ(signal_number("SIGQUIT").value(), 3);
  CHECK_EQ(signal_number("QUIT").value(), 3);
  CHECK_EQ(signal_number("9").value(), 9);
  CHECK(signal_number("SIGRTMIN+3").has_value());
  for (const char* text : {"0", "99", "SIG", "quit", "9x"}) CHECK_FALSE(signal_number(text).has_value());
}

TEST_CASE("the config has Docker's defaults and the contract's own ids") {
  ContainerSpec spec = good_spec();
  spec.environment = {"A=b"};
  spec.hostname = "web-0";
  spec.mounts = {{"", "/tmp/cache"}};
  spec.network_namespace = "/run/netns/x";
  OciInput input;
  input.spec = &spec;
  input.user = find_user("web", kPasswd, kGroup).value();
  input.root_folder = "/run/x/rootfs";
  input.sysfs_folder = "/run/x/sys";
  input.mounts = {{"/run/x/mounts/0", "/tmp", false, false}};
  input.seccomp = "{}";
  input.files_max = 1024;
  Json config = Json::parse(oci_config(input));
  CHECK_EQ(config["process"]["user"]["uid"], 33);
  CHECK_EQ(config["process"]["noNewPrivileges"], true);
  CHECK_EQ(config["process"]["capabilities"]["bounding"].size(), 14);
  CHECK_FALSE(config["process"]["capabilities"].contains("ambient"));
  CHECK_EQ(config["process"]["env"][0], "A=b");
  CHECK_EQ(config["linux"]["uidMappings"][0]["hostID"], 100'000);
  CHECK_EQ(config["linux"]["uidMappings"][0]["size"], 65'536);
  CHECK_EQ(config["linux"]["namespaces"].size(), 7);
  CHECK_EQ(config["linux"]["namespaces"][6]["path"], "/run/netns/x");
  // What is mounted below another mount comes after it.
  size_t count = config["mounts"].size();
  CHECK_EQ(config["mounts"][count - 2]["destination"], "/tmp");
  CHECK_EQ(config["mounts"][count - 1]["destination"], "/tmp/cache");
}

TEST_CASE("the default seccomp profile lets ordinary calls through and namespaces not") {
  Bytes profile = debian_profile();
  if (profile.empty()) return;
  SeccompTarget target = seccomp_target(default_capabilities());
  Json seccomp = Json::parse(convert_seccomp(profile, target).value());
  CHECK_EQ(seccomp["defaultAction"], "SCMP_ACT_ERRNO");
  CHECK_EQ(actions_of(seccomp, "read"), std::vector<std::string>{"SCMP_ACT_ALLOW"});
  CHECK_EQ(actions_of(seccomp, "chroot"), std::vector<std::string>{"SCMP_ACT_ALLOW"});
  for (const char* name : {"mount", "unshare", "setns", "bpf", "keyctl", "pivot_root", "clone3", "init_module"}) {
    std::vector<std::string> actions = actions_of(seccomp, name);
    CHECK_FALSE(actions.empty());
    for (const std::string& action : actions) CHECK_EQ(action, "SCMP_ACT_ERRNO");
  }
  CHECK_EQ(actions_of(seccomp, "clone"), std::vector<std::string>{"SCMP_ACT_ALLOW if"});
  for (const Json& rule : seccomp["syscalls"]) CHECK_FALSE(rule.contains("includes"));
  // With the capability they are allowed.
  target.capabilities.push_back("CAP_SYS_ADMIN");
  Json admin = Json::parse(convert_seccomp(profile, target).value());
  CHECK_EQ(actions_of(admin, "mount"), std::vector<std::string>{"SCMP_ACT_ALLOW"});
}

TEST_CASE("rules for other kernels and processors fall away") {
  std::string profile = R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
    {"names":["a"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
    {"names":["b"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"99.0"}},
    {"names":["c"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}},
    {"names":["d"],"action":"SCMP_ACT_ALLOW","excludes":{"arches":["amd64"]}},
    {"names":["e"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_CHOWN"]}}]})";
  SeccompTarget target{{"CAP_CHOWN"}, "amd64", 5, 10};
  Json seccomp = Json::parse(convert_seccomp(profile, target).value());
  CHECK_EQ(actions_of(seccomp, "a").size(), 1);
  for (const char* name : {"b", "c", "d", "e"}) CHECK(actions_of(seccomp, name).empty());
}

TEST_CASE("a broken seccomp profile is refused") {
  SeccompTarget target{{}, "amd64", 5, 10};
  for (const char* text : {"", "[]", "{}", R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[1]})",
                           R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["a"]}]})"}) {
    CHECK_EQ(convert_seccomp(text, target).error().code, Code::Corrupt);
  }
  CHECK_FALSE(compile_seccomp("{}").has_value());
}

TEST_CASE("the compiled filter is a program the kernel could take") {
  Bytes profile = debian_profile();
  if (profile.empty()) return;
  Bytes filter = compile_seccomp(convert_seccomp(profile, seccomp_target(default_capabilities())).value()).value();
  CHECK(filter.size() % 8 == 0);
  CHECK(filter.size() > 1000);
  CHECK(filter.size() <= 4096 * 8);  // BPF_MAXINSNS
}

TEST_CASE("control groups are found by their mounts") {
  std::string text =
      "30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n"
      "32 30 0:28 / /odd\\040name rw - cgroup2 cgroup2 rw\n"
      "broken\n";
  std::vector<CgroupMount> mounts = find_cgroup_mounts(text);
  REQUIRE_EQ(mounts.size(), 2);
  CHECK(mounts[0].has("cpuacct"));
  CHECK_FALSE(mounts[0].has("memory"));
  CHECK(mounts[1].is_v2);
  CHECK_EQ(mounts[1].folder, "/odd name");
}

TEST_CASE("a process is known by its id and its start") {
  ProcessIdentity self = identify(getpid()).value();
  CHECK(is_alive(self));
  CHECK_EQ(parse_identity(format_identity(self)).value(), self);
  ProcessIdentity other{self.pid, self.start_ticks + 1};
  CHECK_FALSE(is_alive(other));
  CHECK_EQ(signal_process(other, 9).error().code, Code::NotFound);
  CHECK(wait_for_end(other, 1000).value());
  for (const char* text : {"", "12", "12 ", "x 1", "0 5", "12 5 6"}) CHECK_FALSE(parse_identity(text).has_value());
}

TEST_CASE("conmon's report is a pid or crun's message") {
  CHECK_EQ(parse_monitor_report(R"({"data": 77})").value(), 77);
  Result<int> missing = parse_monitor_report(R"({"data":-1,"message":"executable file `x` not found in $PATH\n"})");
  CHECK_EQ(missing.error().code, Code::NotFound);
  for (const char* text : {"", "[]", "{}", R"({"data":0})", R"({"data":"1"})"}) {
    CHECK_FALSE(parse_monitor_report(text).has_value());
  }
}
