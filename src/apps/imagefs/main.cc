// The program of the lazy file system: its own, so that what answers the kernel and reads strangers' bytes links no
// database (docs/decisions/0012-images-in-two-processes.md).
#include "image/mount/imagefs.h"

int main(int count, char** words) { return mcloud::image::run_imagefs({words + 1, words + count}); }
