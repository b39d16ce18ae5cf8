// "Only pre-defined files are launched": what is not the image's own is not executed.
#include <algorithm>

#include "runtime/root_folder.h"
#include "runtime/test_world.h"

using namespace mcloud;
using namespace mcloud::runtime;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Copies a program of the image to PLACE and runs the copy: 0, or 126 when it may not be executed.
std::string copy_and_run(const std::string& places) {
  return "for p in " + places + "; do busybox cp /bin/busybox $p/echo; $p/echo ran 2>/dev/null; echo \"$p=$?\"; done;";
}

// A program without libraries that executes an empty memory file and exits with the errno: 8 (ENOEXEC) where
// memory files are executable, 13 (EACCES) where not.
Bytes memory_file_runner() {
  constexpr unsigned char kCode[] = {
      0xb8, 0x3f, 0x01, 0, 0,                    // memfd_create(
      0x48, 0x8d, 0x3d, 0x32, 0, 0, 0,           //   "x",
      0x31, 0xf6, 0x0f, 0x05,                    //   0)
      0x89, 0xc7,                                // execveat(that,
      0x48, 0x8d, 0x35, 0x26, 0, 0, 0,           //   "",
      0x31, 0xd2, 0x45, 0x31, 0xd2,              //   none, none,
      0x41, 0xb8, 0, 0x10, 0, 0,                 //   AT_EMPTY_PATH)
      0xb8, 0x42, 0x01, 0, 0, 0x0f, 0x05,        //
      0xf7, 0xd8, 0x89, 0xc7,                    // exit_group(-that)
      0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05,           //
      0x90, 0x90, 0x90, 0x90, 'x', 0,
  };
  auto number = [](Bytes& out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  };
  constexpr uint64_t kBase = 0x400000, kHeads = 64 + 56;
  Bytes out("\x7f" "ELF\x02\x01\x01", 7);
  out.resize(16);
  number(out, 2, 2), number(out, 62, 2), number(out, 1, 4), number(out, kBase + kHeads, 8), number(out, 64, 8);
  number(out, 0, 8), number(out, 0, 4), number(out, 64, 2), number(out, 56, 2), number(out, 1, 2), number(out, 0, 6);
  number(out, 1, 4), number(out, 5, 4), number(out, 0, 8), number(out, kBase, 8), number(out, kBase, 8);
  number(out, kHeads + sizeof kCode, 8), number(out, kHeads + sizeof kCode, 8), number(out, 4096, 8);
  out.append(reinterpret_cast<const char*>(kCode), sizeof kCode);
  return out;
}

void copy_into(const std::string& from, const std::string& to, unsigned mode) {
  Result<Bytes> bytes = io::read_file(from);
  REQUIRE_MESSAGE(bytes.has_value(), bytes.error().message);
  REQUIRE(io::make_folders(to.substr(0, to.rfind('/'))).has_value());
  REQUIRE(io::write_file(to, *bytes, io::Durability::None, mode).has_value());
}

std::string numbers_of(const std::string& out) {
  std::string found;
  for (size_t at = 0; (at = out.find('=', at)) != std::string::npos; ++at)
    found += out.substr(at + 1, out.find('\n', at) - at - 1) + " ";
  return found;
}

ContainerSpec only_image(ContainerSpec spec) {
  spec.only_image_programs = true;
  return spec;
}

}  // namespace

TEST_CASE_CONTAINERS("what was copied to a writable place, a volume or memory runs nowhere, the image's programs do") {
  TestWorld world;
  std::string volume = world.folder() + "/volume";
  REQUIRE(io::make_folders(volume, 0755).has_value());
  for (bool is_bound : {false, true}) {
    ContainerSpec spec = world.spec(is_bound ? "bound" : "free", copy_and_run("/tmp /var /var/lib /etc /data /scratch /dev") +
                                    "cat /proc/mounts | grep -c ' /var '");
    spec.mounts = {{volume, "/data"}, {"", "/scratch", false, true, 8 << 20}};
    spec.only_image_programs = is_bound;
    std::string out = world.output_of(spec);
    CAPTURE(out);
    CHECK_EQ(numbers_of(out), is_bound ? "126 126 126 126 126 126 126 " : "0 0 0 0 0 0 0 ");
    CHECK_EQ(has(out, "ran"), !is_bound);
  }
}

TEST_CASE_CONTAINERS("where only the image's programs run its root is read-only and /etc, /var and /tmp stay writable") {
  TestWorld world;
  ContainerSpec spec = only_image(world.spec(
      "w", "cat /etc/mine || echo fresh; echo changed > /etc/mine; touch /var/lib/x /tmp/x && echo written; rm /etc/group && echo removed;"
           "touch /x /bin/x 2>/dev/null || echo read-only; stat -c '%u %g %a' /tmp /etc/passwd; echo 'echo script' > /tmp/s; sh /tmp/s"));
  std::string out = world.output_of(spec);
  CAPTURE(out);
  for (const char* said : {"fresh\n", "written\n", "removed\n", "read-only\n", "0 0 1777\n0 0 644\n"}) CHECK(has(out, said));
  CHECK(has(out, "script\n"));  // the limit: an interpreter reads what it likes
  CHECK_FALSE(io::exists(spec.image_root + "/etc/mine"));
  REQUIRE(world.runtime().remove("w").has_value());
  CHECK(has(world.output_of(spec), "changed\n"));
  REQUIRE(world.runtime().remove("w").has_value());
  // Another image starts afresh, and what an unbound container wrote is not seen by a bound one.
  REQUIRE_EQ(rename(spec.image_root.c_str(), (spec.image_root + "-2").c_str()), 0);
  spec.image_root += "-2";
  REQUIRE(io::remove_tree(spec.log_path).has_value());
  CHECK(has(world.output_of(spec), "fresh\n"));
}

TEST_CASE_CONTAINERS("a mount point that the image lacks is made, and a place under a volume is the volume") {
  TestWorld world;
  std::string volume = world.folder() + "/volume";
  REQUIRE(io::make_folders(volume, 0755).has_value());
  REQUIRE(io::write_file(volume + "/row", "row\n", io::Durability::None).has_value());
  ContainerSpec spec = only_image(world.spec("m", "cat /deep/down/row /var/row; cat /etc/hosts; echo x > /deep/y || echo read-only"));
  spec.mounts = {{volume, "/deep/down"}, {volume, "/var"}};
  spec.files = {{"/etc/hosts", "127.0.0.1 localhost\n"}};
  CHECK_EQ(writable_places(spec), std::vector<std::string>{"etc", "tmp"});
  std::string out = world.output_of(spec);
  CAPTURE(out);
  CHECK(has(out, "row\nrow\n127.0.0.1 localhost\n"));
  CHECK(has(out, "read-only"));
  spec.read_only = true;
  CHECK(writable_places(spec).empty());
}

TEST_CASE_CONTAINERS("a link of the image is no writable place") {
  TestWorld world;
  ContainerSpec spec = only_image(world.spec("l", "echo x > /srv/x || echo read-only"));
  REQUIRE_EQ(symlink("/etc", (spec.image_root + "/srv").c_str()), 0);
  std::vector<std::string> places = writable_places(spec);
  CHECK_EQ(std::count(places.begin(), places.end(), "srv"), 0);
}

TEST_CASE_CONTAINERS("an image whose owners are shifted already is used as it is") {
  TestWorld world;
  for (bool is_bound : {false, true}) {
    ContainerSpec spec = world.spec(is_bound ? "bound" : "free", "stat -c '%u:%g' / /etc/passwd /tmp; echo x > /etc/mine && stat -c '%u:%g' /etc/mine");
    spec.is_image_shifted = true;
    spec.only_image_programs = is_bound;
    if (!is_bound) {
      for (const char* path : {"", "/etc", "/etc/passwd", "/tmp"})
        REQUIRE_EQ(chown((spec.image_root + path).c_str(), TestWorld::kBaseUid + 7, TestWorld::kBaseUid), 0);
    }
    CHECK_EQ(world.output_of(spec), "7:0\n7:0\n7:0\n0:0\n");
  }
}

#ifdef __x86_64__
TEST_CASE_CONTAINERS("an anonymous memory file is not executed") {
  if (!io::exists("/proc/sys/vm/memfd_noexec")) return;
  TestWorld world;
  ContainerSpec spec = world.spec("free", "x");
  REQUIRE(io::write_file(spec.image_root + "/bin/memory-file", memory_file_runner(), io::Durability::None, 0755).has_value());
  spec.arguments = {"/bin/memory-file"};
  world.output_of(spec);
  CHECK_EQ(world.wait_stopped("free").exit_code.value(), 8);
  ContainerSpec bound = only_image(world.spec("bound", "x"));
  bound.arguments = {"/bin/memory-file"};
  world.output_of(bound);
  CHECK_EQ(world.wait_stopped("bound").exit_code.value(), 13);
  CHECK_EQ(io::read_file("/proc/sys/vm/memfd_noexec", 16).value(), "0\n");  // ours stays as it was
}

TEST_CASE_CONTAINERS("the dynamic loader does not run what may not be executed") {
  const std::string loader = "/lib64/ld-linux-x86-64.so.2", library = "/lib/x86_64-linux-gnu/libc.so.6";
  if (!io::exists(loader) || !io::exists(library)) return;
  TestWorld world;
  ContainerSpec spec = only_image(world.spec(
      "ld", loader + " /bin/dynamic; echo image=$?; busybox cp /bin/dynamic /tmp/x; " + loader + " /tmp/x 2>&1; echo copy=$?"));
  copy_into(loader, spec.image_root + loader, 0755);
  copy_into(library, spec.image_root + library, 0755);
  copy_into("/usr/bin/true", spec.image_root + "/bin/dynamic", 0755);
  std::string out = world.output_of(spec);
  CAPTURE(out);
  CHECK(has(out, "image=0\n"));
  CHECK(has(out, "failed to map segment"));
  CHECK_FALSE(has(out, "copy=0\n"));
}
#endif
