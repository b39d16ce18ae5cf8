// Preloaded into a process under torture: notes what was really made durable, so that the test can take away
// everything else and call it a power loss.
//
// Each successful fsync or fdatasync of a file below $SYNCED_FOLDER appends "file SIZE PATH" to $SYNCED_LOG; of
// a folder, one "entry PATH" for each name in it.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(const char* line) {
  const char* path = getenv("SYNCED_LOG");
  int log = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (log < 0) return;
  if (write(log, line, strlen(line)) < 0) abort();
  close(log);
}

static void note_synced(int fd) {
  char link[64], path[4096], line[8400];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  const char* folder = getenv("SYNCED_FOLDER");
  if (size <= 0 || folder == NULL) return;
  path[size] = 0;
  if (strncmp(path, folder, strlen(folder)) != 0) return;
  struct stat status;
  if (fstat(fd, &status) != 0) return;
  if (!S_ISDIR(status.st_mode)) {
    snprintf(line, sizeof line, "file %lld %s\n", (long long)status.st_size, path);
    note(line);
    return;
  }
  DIR* names = opendir(path);
  if (names == NULL) return;
  for (struct dirent* name = readdir(names); name != NULL; name = readdir(names)) {
    snprintf(line, sizeof line, "entry %s/%s\n", path, name->d_name);
    note(line);
  }
  closedir(names);
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  int done = real(fd);
  if (done == 0) note_synced(fd);
  return done;
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  int done = real(fd);
  if (done == 0) note_synced(fd);
  return done;
}
