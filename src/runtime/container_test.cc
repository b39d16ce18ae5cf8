#include "runtime/container.h"

#include <csignal>

#include "io/loop.h"
#include "runtime/test_world.h"

using namespace mcloud;
using namespace mcloud::runtime;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE_CONTAINERS("a container runs as root of its own range and its output is logged") {
  TestWorld world;
  std::string out = world.output_of(world.spec("web-0", "id; cat /proc/self/uid_map; echo wrong >&2; exit 3"));
  CHECK(has(out, "uid=0(root) gid=0(root)"));
  CHECK(has(out, "1000000000      65536"));
  CHECK(has(out, "wrong"));
  ContainerStatus status = world.wait_stopped("web-0");
  CHECK_EQ(status.exit_code.value(), 3);
  CHECK_FALSE(status.out_of_memory);
  CHECK(status.finished_ms >= status.started_ms);
}

TEST_CASE_CONTAINERS("a container has Docker's limits on what its root may do") {
  TestWorld world;
  std::string out = world.output_of(world.spec(
      "box", "grep -E '^(Seccomp|NoNewPrivs|CapBnd|CapEff):' /proc/self/status; mount -t tmpfs x /tmp || echo no-mount;"
             "unshare -m true || echo no-unshare; mknod /tmp/disk b 8 0 || echo no-device;"
             "echo 1 > /proc/sys/vm/drop_caches || echo no-sysctl; cat /proc/kcore | head -c 1 | wc -c;"
             "touch /sys/x || echo no-sys; ls /dev; echo x > /proc/sysrq-trigger || echo no-sysrq; ps | wc -l"));
  CHECK(has(out, "Seccomp:\t2"));
  CHECK(has(out, "NoNewPrivs:\t1"));
  CHECK(has(out, "CapBnd:\t00000000a80425fb"));
  for (const char* denied : {"no-mount", "no-unshare", "no-device", "no-sysctl", "no-sys", "no-sysrq"}) CHECK(has(out, denied));
  CHECK(has(out, "\n0\n"));  // nothing to read from kcore
  CHECK(has(out, "\nnull\n"));
  CHECK_FALSE(has(out, "\nvda\n"));
}

TEST_CASE_CONTAINERS("the image stays as it is and the replica keeps its own changes") {
  TestWorld world;
  ContainerSpec spec = world.spec("a", "cat /etc/mine; echo changed > /etc/mine; rm /etc/group; stat -c '%u %g' /etc/passwd /");
  CHECK(has(world.output_of(spec), "0 0\n0 0\n"));
  CHECK_FALSE(io::exists(spec.image_root + "/etc/mine"));
  CHECK(io::exists(spec.image_root + "/etc/group"));
  REQUIRE(world.runtime().remove("a").has_value());
  // Again with the same disk: the changes are there.
  CHECK(has(world.output_of(spec), "changed"));
  struct stat facts {};
  REQUIRE_EQ(stat((spec.disk_folder + "/upper/etc/mine").c_str(), &facts), 0);
  CHECK_EQ(facts.st_uid, TestWorld::kBaseUid);
  // And with another range it is refused.
  REQUIRE(world.runtime().remove("a").has_value());
  spec.base_uid = TestWorld::kBaseUid + 65'536;
  CHECK_EQ(world.runtime().start(spec).error().code, Code::Conflict);
  CHECK(world.runtime().list().value().empty());
}

TEST_CASE_CONTAINERS("another image starts without the changes made on the first") {
  TestWorld world;
  ContainerSpec spec = world.spec("a", "cat /etc/mine || echo fresh; echo changed > /etc/mine");
  CHECK(has(world.output_of(spec), "fresh"));
  REQUIRE(world.runtime().remove("a").has_value());
  REQUIRE_EQ(rename(spec.image_root.c_str(), (spec.image_root + "-2").c_str()), 0);
  spec.image_root += "-2";
  REQUIRE(io::remove_tree(spec.log_path).has_value());
  CHECK(has(world.output_of(spec), "fresh"));
}

TEST_CASE_CONTAINERS("a working folder that is missing is made") {
  TestWorld world;
  ContainerSpec spec = world.spec("cwd", "pwd; touch x && echo mine");
  spec.working_folder = "/srv/app";
  CHECK_EQ(world.output_of(spec), "/srv/app\nmine\n");
}

TEST_CASE_CONTAINERS("the longest names still fit everywhere") {
  TestWorld world;
  RuntimeOptions options = world.options();
  options.folder = world.run() + "/" + std::string(100 - world.run().size() - 1, 'f');
  options.cgroup_parent = world.group() + "/" + std::string(60, 'g');
  std::unique_ptr<Runtime> runtime = std::move(Runtime::open(options).value());
  ContainerSpec spec = world.spec(std::string(64, 'i'), "sleep 100");
  spec.hostname = std::string(63, 'h');
  Status started = runtime->start(spec);
  CHECK_MESSAGE(started.has_value(), started.error().message);
  CHECK(runtime->exec(spec.id, {"true"}, 5'000).has_value());
  CHECK(runtime->remove(spec.id).has_value());
}

TEST_CASE_CONTAINERS("many containers start, run and end at the same time") {
  TestWorld world;
  std::vector<Status> outcomes(24);
  {
    io::Pool pool(6, 100);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      pool.submit([&, i] {
        ContainerSpec spec = world.spec("many-" + std::to_string(i), "exit " + std::to_string(i));
        outcomes[i] = world.runtime().start(spec);
      });
    }
    // The pool drops what waits when it ends: everybody has to have begun.
    io::SystemClock clock;
    uint64_t deadline_ms = clock.monotonic_ms() + 60'000;
    while (world.runtime().list().value().size() < outcomes.size() && clock.monotonic_ms() < deadline_ms) usleep(1000);
  }
  for (size_t i = 0; i < outcomes.size(); ++i) {
    CHECK_MESSAGE(outcomes[i].has_value(), outcomes[i].error().message);
    CHECK_EQ(world.wait_stopped("many-" + std::to_string(i)).exit_code.value(), static_cast<int>(i));
  }
}

TEST_CASE_CONTAINERS("a container's user owns its volume and its secret, and nobody else reads it") {
  TestWorld world;
  std::string volume = world.folder() + "/volume";
  REQUIRE(io::make_folders(volume, 0755).has_value());
  REQUIRE_EQ(chown(volume.c_str(), 33, 34), 0);
  ContainerSpec spec = world.spec("db", "id; stat -c '%u:%g %a' /data /run/secret /etc/hosts; cat /run/secret; echo row > /data/file;"
                                        "echo x > /run/secret || echo read-only; echo x > /ro/file || echo ro; cat /proc/mounts");
  spec.user = "web";
  spec.mounts = {{volume, "/data"}, {volume, "/ro", true}, {"", "/scratch", false, true, 1 << 20}};
  spec.files = {{"/run/secret", "s3cret", 0400, true}, {"/etc/hosts", "127.0.0.1 localhost\n"}};
  std::string out = world.output_of(spec);
  CHECK_MESSAGE(has(out, "uid=33(web) gid=34(web) groups=50(logs)"), out);
  CHECK(has(out, "33:34 755\n33:34 400\n0:0 444\n"));
  CHECK(has(out, "s3cret"));
  CHECK(has(out, "read-only"));
  CHECK(has(out, "\nro\n"));
  CHECK(has(out, "/scratch tmpfs rw,nosuid,nodev"));
  struct stat facts {};
  REQUIRE_EQ(stat((volume + "/file").c_str(), &facts), 0);
  CHECK_EQ(facts.st_uid, 33);  // on disk: the ids inside, whatever the range
  std::string secret = world.run() + "/containers/db/config.json";
  REQUIRE_EQ(stat(secret.c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & 07777, 0600);
}

TEST_CASE_CONTAINERS("a read-only container cannot write its root") {
  TestWorld world;
  ContainerSpec spec = world.spec("ro", "touch /etc/x || echo denied; touch /dev/shm/x && echo memory");
  spec.read_only = true;
  std::string out = world.output_of(spec);
  CHECK(has(out, "denied"));
  CHECK(has(out, "memory"));
}

TEST_CASE_CONTAINERS("a container that takes too much memory is killed and says so") {
  TestWorld world;
  ContainerSpec spec = world.spec("fat", "dd if=/dev/zero of=/dev/null bs=100M count=1");
  spec.limits.memory_bytes = 32 << 20;
  REQUIRE(world.runtime().start(spec).has_value());
  ContainerStatus status = world.wait_stopped("fat");
  CHECK(status.out_of_memory);
  CHECK_EQ(status.exit_code.value(), 137);
  CHECK_FALSE(io::exists("oom"));  // conmon's note
}

TEST_CASE_CONTAINERS("a container sees its own limits and cannot change them") {
  TestWorld world;
  ContainerSpec spec = world.spec("seen", "cd /sys/fs/cgroup; for file in memory.max memory/memory.limit_in_bytes;"
                                          "do [ -e $file ] && { cat $file; echo 1 > $file || echo denied; }; done");
  spec.limits.memory_bytes = 64 << 20;
  std::string out = world.output_of(spec);
  CHECK(has(out, "67108864\n"));
  CHECK(has(out, "denied"));
}

TEST_CASE_CONTAINERS("a container cannot have more processes than its limit") {
  TestWorld world;
  ContainerSpec spec = world.spec("many", "i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done; wait");
  spec.limits.pids = 10;
  REQUIRE(world.runtime().start(spec).has_value());
  ContainerStatus status = world.wait_stopped("many");
  CHECK(status.exit_code.value() != 0);
  CHECK(has(world.log_text("many"), "fork"));
}

TEST_CASE_CONTAINERS("a program, a user or an image that is not there leaves nothing behind") {
  TestWorld world;
  ContainerSpec spec = world.spec("none", "");
  spec.arguments = {"/no/such/program"};
  CHECK_EQ(world.runtime().start(spec).error().code, Code::NotFound);
  spec = world.spec("none", "true");
  spec.user = "nobody-here";
  CHECK_EQ(world.runtime().start(spec).error().code, Code::Invalid);
  spec = world.spec("none", "true");
  spec.image_root = world.folder() + "/nothing";
  CHECK_FALSE(world.runtime().start(spec).has_value());
  spec = world.spec("none", "true");
  spec.mounts = {{world.folder() + "/nothing", "/data"}};
  CHECK_FALSE(world.runtime().start(spec).has_value());
  spec = world.spec("none", "true");
  spec.network_namespace = world.folder() + "/nothing";
  CHECK_FALSE(world.runtime().start(spec).has_value());
  CHECK(world.runtime().list().value().empty());
  Cgroups cgroups = Cgroups::detect().value();
  CHECK_EQ(cgroups.children(world.group()).value(), std::vector<std::string>{"_monitors"});
  CHECK(io::list_folder(world.run() + "/crun").value().empty());
}

TEST_CASE_CONTAINERS("a container that is there is not started twice") {
  TestWorld world;
  ContainerSpec spec = world.spec("one", "sleep 100");
  REQUIRE(world.runtime().start(spec).has_value());
  CHECK_FALSE(io::exists(world.run() + "/crun/one/exec.fifo"));
  CHECK_EQ(world.runtime().start(spec).error().code, Code::AlreadyExists);
  CHECK_EQ(world.runtime().status("one").value().state, ContainerState::Running);
}

TEST_CASE_CONTAINERS("stop asks first and kills after the grace") {
  TestWorld world;
  ContainerSpec polite = world.spec("polite", "trap 'exit 7' QUIT; while true; do sleep 0.05; done");
  polite.stop_signal = "SIGQUIT";
  REQUIRE(world.runtime().start(polite).has_value());
  // The trap stands once the loop's first sleep runs.
  while (world.runtime().usage("polite").value().pids < 2) {
  }
  REQUIRE(world.runtime().stop("polite", 8'000).has_value());
  CHECK_EQ(world.runtime().status("polite").value().exit_code.value(), 7);

  ContainerSpec stubborn = world.spec("stubborn", "trap '' TERM; while true; do sleep 0.05; done");
  REQUIRE(world.runtime().start(stubborn).has_value());
  REQUIRE(world.runtime().stop("stubborn", 100).has_value());
  CHECK_EQ(world.runtime().status("stubborn").value().exit_code.value(), 137);
  CHECK(world.runtime().stop("stubborn", 100).has_value());
  CHECK_EQ(world.runtime().stop("nobody", 100).error().code, Code::NotFound);
}

TEST_CASE_CONTAINERS("a program runs inside a running container under its limits") {
  TestWorld world;
  ContainerSpec spec = world.spec("host", "sleep 100");
  spec.environment = {"COLOUR=blue"};
  spec.user = "web";
  REQUIRE(world.runtime().start(spec).has_value());
  ExecOutcome outcome =
      world.runtime().exec("host", {"sh", "-c", "echo $COLOUR; id -u; grep Seccomp: /proc/self/status; exit 5"}, 5'000).value();
  CHECK_EQ(outcome.exit_code, 5);
  CHECK_EQ(outcome.output, "blue\n33\nSeccomp:\t2\n");
  // A time-out ends the program and its children, not the container.
  Result<ExecOutcome> late = world.runtime().exec("host", {"sh", "-c", "sleep 55 & sleep 55"}, 300);
  CHECK_EQ(late.error().code, Code::TimedOut);
  std::string processes = world.runtime().exec("host", {"ps"}, 5'000).value().output;
  CHECK(has(processes, "sleep 100"));
  CHECK_FALSE(has(processes, "sleep 55"));
  CHECK_EQ(world.runtime().status("host").value().state, ContainerState::Running);
  REQUIRE(world.runtime().stop("host", 0).has_value());
  CHECK_EQ(world.runtime().exec("host", {"true"}, 1'000).error().code, Code::Unavailable);
}

TEST_CASE_CONTAINERS("a log is bounded") {
  TestWorld world;
  ContainerSpec spec = world.spec("chatty", "i=0; while [ $i -lt 3000 ]; do echo line $i with some text; i=$((i+1)); done");
  spec.log_bytes_max = 32 << 10;
  std::string out = world.output_of(spec);
  CHECK(out.size() < 64 << 10);
  CHECK(has(out, "line 2999 "));
}

TEST_CASE_CONTAINERS("containers outlive the process that started them and another one takes them over") {
  TestWorld world;
  ContainerSpec spec = world.spec("orphan", "echo up; trap 'exit 9' TERM; while true; do sleep 0.05; done");
  int child = fork();
  if (child == 0) {
    // A process of its own that starts a container and dies without a word.
    std::unique_ptr<Runtime> mine = world.open();
    bool has_started = mine->start(spec).has_value();
    kill(getpid(), has_started ? SIGKILL : SIGABRT);
  }
  int ending = 0;
  REQUIRE_EQ(waitpid(child, &ending, 0), child);
  REQUIRE_EQ(WTERMSIG(ending), SIGKILL);

  std::unique_ptr<Runtime> other = world.open();
  CHECK_EQ(other->list().value(), std::vector<std::string>{"orphan"});
  ContainerStatus status = other->status("orphan").value();
  CHECK_EQ(status.state, ContainerState::Running);
  CHECK(status.started_ms > 0);
  CHECK_EQ(other->exec("orphan", {"echo", "hello"}, 5'000).value().output, "hello\n");
  REQUIRE(other->stop("orphan", 8'000).has_value());
  CHECK_EQ(other->status("orphan").value().exit_code.value(), 9);
  CHECK_EQ(other->wait_for_exits(5'000).value(), std::vector<std::string>{"orphan"});
  REQUIRE(other->remove("orphan").has_value());
  CHECK(other->list().value().empty());
}

TEST_CASE_CONTAINERS("a container whose monitor was killed is still known and removed") {
  TestWorld world;
  REQUIRE(world.runtime().start(world.spec("alone", "sleep 100")).has_value());
  ProcessIdentity watcher =
      parse_identity(io::read_file(world.run() + "/containers/alone/monitor").value()).value();
  REQUIRE(signal_process(watcher, SIGKILL).has_value());
  REQUIRE(wait_for_end(watcher, 5'000).value());
  CHECK_EQ(world.runtime().status("alone").value().state, ContainerState::Running);
  REQUIRE(world.runtime().stop("alone", 0).has_value());
  ContainerStatus status = world.runtime().status("alone").value();
  CHECK_EQ(status.state, ContainerState::Stopped);
  CHECK_FALSE(status.exit_code.has_value());
  REQUIRE(world.runtime().remove("alone").has_value());
}

TEST_CASE_CONTAINERS("a start cut off at any step is listed and removed") {
  TestWorld world;
  // What each step leaves: the folder, the group, a config.
  std::string folder = world.run() + "/containers/half";
  REQUIRE(io::make_folders(folder, 0711).has_value());
  CHECK_EQ(world.runtime().list().value(), std::vector<std::string>{"half"});
  CHECK_EQ(world.runtime().status("half").value().state, ContainerState::Created);
  Cgroups cgroups = Cgroups::detect().value();
  REQUIRE(cgroups.create(world.group() + "/half").has_value());
  REQUIRE(io::write_file(folder + "/config.json", "{", io::Durability::None).has_value());
  REQUIRE(world.runtime().remove("half").has_value());
  CHECK(world.runtime().list().value().empty());
  CHECK(world.runtime().remove("half").has_value());

  // The same for a starter killed a little later each time.
  for (int ms = 1; ms < 60; ms += 6) {
    ContainerSpec spec = world.spec("cut", "sleep 100");
    int child = fork();
    if (child == 0) {
      std::unique_ptr<Runtime> mine = world.open();
      [[maybe_unused]] Status started = mine->start(spec);
      _exit(0);
    }
    usleep(static_cast<useconds_t>(ms) * 1000);
    kill(child, SIGKILL);
    REQUIRE_EQ(waitpid(child, nullptr, 0), child);
    std::unique_ptr<Runtime> other = world.open();
    Status removed = other->remove("cut");
    REQUIRE_MESSAGE(removed.has_value(), removed.error().message);
    CHECK(other->sweep().has_value());
    CHECK(other->list().value().empty());
    CHECK(cgroups.children(world.group()).value().size() <= 1);
  }
}

TEST_CASE_CONTAINERS("sweep removes what belongs to no container") {
  TestWorld world;
  REQUIRE(world.runtime().start(world.spec("kept", "sleep 100")).has_value());
  Cgroups cgroups = Cgroups::detect().value();
  REQUIRE(cgroups.create(world.group() + "/left/below").has_value());
  REQUIRE(cgroups.create_inside(world.group() + "/kept", "exec-1").has_value());
  REQUIRE(world.runtime().sweep().has_value());
  std::vector<std::string> expected = {"_monitors", "kept"};
  CHECK_EQ(cgroups.children(world.group()).value(), expected);
  CHECK(cgroups.children(world.group() + "/kept").value().empty());
  CHECK_EQ(world.runtime().status("kept").value().state, ContainerState::Running);
}

TEST_CASE_CONTAINERS("secrets never reach a disk") {
  TestWorld world;
  RuntimeOptions options = world.options();
  options.folder = world.folder() + "/on-disk";
  CHECK_EQ(Runtime::open(options).error().code, Code::Invalid);
}
