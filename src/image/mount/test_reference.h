// For tests: a folder with something of everything, and what can be seen of it as text.
#pragma once

#include "image/mount/test_mount_world.h"

namespace mcloud::image {

// Its content differs from block to block. "" when it worked.
inline std::string make_reference(const std::string& folder) {
  return shell("set -e; cd " + folder +
               "; mkdir -p bin etc/deep/er empty dev; cp /bin/busybox bin/busybox; ln bin/busybox bin/sh; ln -s busybox bin/ls"
               "; ln -s /etc/hosts etc/absolute; printf hello > etc/file; : > etc/nothing; chmod 600 etc/file; chown 12:65535 etc/file"
               "; seq 1 400000 > etc/deep/large; head -c 1048576 /dev/urandom > etc/deep/er/exact; head -c 3000000 /dev/urandom > etc/deep/random"
               "; cp bin/busybox bin/set-uid; chmod 4755 bin/set-uid; chmod 1777 empty"
               "; mkfifo dev/pipe; mknod dev/null c 1 3; mknod dev/disk b 259 70000; setfattr -n user.mime -v text etc/file"
               "; setfattr -n user.note -v 'a folder' empty; setcap cap_net_raw+ep bin/busybox"
               "; touch -d '2001-02-03 04:05:06.123456789' etc/file; touch -h -d '1960-01-01 00:00:00.5' etc/absolute"
               "; i=0; while [ $i -lt 300 ]; do : > empty/a-file-with-a-rather-long-name-number-$i; i=$((i+1)); done");
}

// Names, kinds, modes, owners, links, times, targets, sizes (not of folders), devices, extended attributes.
inline std::string listing(const std::string& folder) {
  return shell("cd " + folder + " && find . -printf '%p %y %m %U %G %n %T@ %l %s\\n' | grep -v ' d ' | sort;"
               " find . -type d -printf '%p %m %U %G %n %T@\\n' | sort; stat -c '%n %t %T' dev/*;"
               " find . -print0 | sort -z | xargs -0 getfattr -h -d -m - 2>/dev/null");
}

inline std::string content(const std::string& folder) {
  return shell("cd " + folder + " && find . -type f -print0 | sort -z | xargs -0 sha256sum");
}

// The lines in which two texts differ.
inline std::string difference(const std::string& a, const std::string& b) {
  testing::TemporaryFolder folder;
  REQUIRE(io::write_file(folder / "a", a, io::Durability::None).has_value());
  REQUIRE(io::write_file(folder / "b", b, io::Durability::None).has_value());
  return shell("diff " + (folder / "a") + " " + (folder / "b"));
}

}  // namespace mcloud::image
