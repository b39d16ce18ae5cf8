// Every room's test program starts here; doctest brings the rest.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

// Debian's RocksDB archive is not instrumented: the thread sanitizer cannot see how it orders its own accesses.
extern "C" const char* __tsan_default_suppressions() { return "race:rocksdb::"; }
