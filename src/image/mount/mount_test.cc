#include "image/mount/image_mount.h"

#include <fcntl.h>

#include "image/mount/test_reference.h"

using namespace mcloud;
using namespace mcloud::image;

TEST_CASE_MOUNTS("a mounted image is what was packed: names, owners, modes, times, links, devices, attributes, bytes") {
  MountWorld world;
  REQUIRE_EQ(make_reference(world.reference()), "");
  std::string root = world.attach(world.pack(world.reference()));
  std::string expected = listing(world.reference());
  REQUIRE(expected.find("random") != std::string::npos);
  CHECK_EQ(difference(listing(root), expected), "");
  CHECK_EQ(difference(content(root), content(world.reference())), "");
  CHECK_EQ(difference(listing(root), expected), "");  // as the kernel remembers it
  CHECK_EQ(shell("diff -r --no-dereference " + root + "/etc " + world.reference() + "/etc"), "");
  CHECK_EQ(shell("ls " + (world.folder / "fs/mount")), root.substr(root.size() - 64) + "\n");
  std::string same = shell("stat -c %i " + root + "/bin/busybox " + root + "/bin/sh | uniq | wc -l");
  CHECK_EQ(same, "1\n");
  CHECK(shell("touch " + root + "/new").find("Read-only file system") != std::string::npos);
  CHECK_EQ(shell("cat " + root + "/none 2>&1 | grep -c 'No such file'"), "1\n");
  CHECK_EQ(world.figures().images.size(), 1);
}

TEST_CASE_MOUNTS("a file that is whole is read without us: the kernel passes reads through to the cache") {
  MountWorld world;
  REQUIRE_EQ(shell("head -c 3000000 /dev/urandom > " + world.reference() + "/file"), "");
  std::string root = world.attach(world.pack(world.reference()));
  CHECK_EQ(shell("cmp " + root + "/file " + world.reference() + "/file"), "");
  MountFigures before = world.figures();
  CHECK(before.reads > 0);
  if (!before.has_passthrough) {
    MESSAGE("skipped: the kernel has no FUSE passthrough");
    return;
  }
  // Through no page cache: each of these would be a request.
  CHECK_EQ(shell("dd if=" + root + "/file bs=4096 iflag=direct status=none | cmp - " + world.reference() + "/file"), "");
  CHECK_EQ(shell("python3 -c \"import mmap; f=open('" + root + "/file','rb'); m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ); "
                 "assert m[:]==open('" + world.reference() + "/file','rb').read()\""), "");
  CHECK_EQ(world.figures().reads, before.reads);
}

TEST_CASE_MOUNTS("a file that is opened before it is whole stays in one mode until all have closed it") {
  MountWorld world;
  REQUIRE_EQ(shell("head -c 3000000 /dev/urandom > " + world.reference() + "/file"), "");
  std::string root = world.attach(world.pack(world.reference()));
  std::string file = root + "/file", same = world.reference() + "/file";
  // Open, whole meanwhile, opened again beside it: the kernel refuses a mixture of modes.
  CHECK_EQ(shell("exec 3< " + file + "; cmp " + file + " " + same + "; cmp " + file + " " + same + "; cmp - " + same + " <&3"), "");
  CHECK_EQ(shell("exec 3< " + file + "; cmp " + file + " " + same + "; cmp - " + same + " <&3"), "");
}

TEST_CASE_MOUNTS("an image is detached when nobody uses it, and not before") {
  MountWorld world;
  REQUIRE_EQ(make_reference(world.reference()), "");
  Attachment image = world.pack(world.reference());
  std::string root = world.attach(image);
  std::string inode = shell("stat -c %i " + root + "/etc/file");
  int file = ::open((root + "/etc/file").c_str(), O_RDONLY | O_CLOEXEC);
  CHECK_EQ(world.mount().detach(image.digest).error().code, Code::Conflict);
  ::close(file);
  int folder = ::open((root + "/etc").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK_EQ(world.mount().detach(image.digest).error().code, Code::Conflict);
  CHECK_EQ(shell("cat " + root + "/etc/file"), "hello");
  ::close(folder);
  Status detached = world.mount().detach(image.digest);
  CHECK_MESSAGE(detached.has_value(), detached.error().message);
  CHECK_EQ(shell("ls " + (world.folder / "fs/mount")), "");
  CHECK_FALSE(io::exists(root));
  CHECK(world.mount().detach(image.digest).has_value());
  CHECK_EQ(world.attach(image), root);
  CHECK_EQ(shell("stat -c %i " + root + "/etc/file"), inode);
  CHECK_EQ(shell("cat " + root + "/etc/file"), "hello");
}

TEST_CASE_MOUNTS("a kernel without idmapped FUSE gets owners that are shifted when served") {
  MountWorld world;
  REQUIRE_EQ(make_reference(world.reference()), "");
  Attachment image = world.pack(world.reference());
  std::string plain = world.attach(image);
  image.shift = 100'000;
  std::string shifted = world.attach(image);
  CHECK_EQ(shifted, plain + "-100000");
  CHECK_EQ(shell("stat -c '%u %g' " + plain + "/etc/file"), "12 65535\n");
  CHECK_EQ(shell("stat -c '%u %g' " + shifted + "/etc/file"), "100012 165535\n");
  CHECK_EQ(world.mount().detach(image.digest).has_value(), true);
  CHECK_EQ(shell("ls " + (world.folder / "fs/mount")), "");
}
