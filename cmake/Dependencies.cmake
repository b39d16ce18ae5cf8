# Every dependency of the product, one line of why for each. All come from Debian 12's packages.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)

function(mcloud_dependency name)
  add_library(dep_${name} INTERFACE)
  foreach(library ${ARGN})
    target_link_libraries(dep_${name} INTERFACE ${library})
  endforeach()
endfunction()

mcloud_dependency(fmt fmt)                         # text formatting: libstdc++ 12 has no <format>
mcloud_dependency(spdlog spdlog fmt)               # logging with levels and sinks, stays inside base/log.cc
mcloud_dependency(sodium sodium)                   # Ed25519, X25519, BLAKE2b, sealed boxes, pwhash
mcloud_dependency(crypto crypto)                   # OpenSSL's algorithms: fast bulk AEAD
mcloud_dependency(tls ssl crypto)                  # TLS sessions of the kv server and its followers, stays inside io/tls*.cc
mcloud_dependency(asio Threads::Threads)           # Boost.Asio and Beast: sockets, HTTP/1.1, kept inside few .cc files
target_include_directories(dep_asio SYSTEM INTERFACE /usr/include)
mcloud_dependency(yaml yaml-cpp)                   # YAML with line and column marks
mcloud_dependency(json Threads::Threads)           # nlohmann-json (header only): the API's and the CLI's JSON
mcloud_dependency(cli11 Threads::Threads)          # CLI11 (header only): sub-commands and help
mcloud_dependency(protobuf protobuf::libprotobuf)  # wire and ledger messages; ABCI speaks it too
# The ledger's authenticated state on disk. As an archive: the shared library costs each of our processes 2 MB more.
mcloud_dependency(rocksdb /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/librocksdb.a snappy lz4 zstd bz2 z gflags)
mcloud_dependency(archive archive)                 # tar with every dialect images come in
mcloud_dependency(nftables nftables)               # firewall and NAT in transactions, by JSON
mcloud_dependency(seccomp seccomp)                 # syscall filters compiled once, not by crun at every start (10 ms)
mcloud_dependency(snappy snappy)                     # compression of blocks in the public `.fl` format
# `.fl` files are SQLite databases. As an archive, so that only programs that open them carry it.
mcloud_dependency(sqlite /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libsqlite3.a m)
mcloud_dependency(doctest Threads::Threads)        # unit tests; its header compiles in 0.04 s
