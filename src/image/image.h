// Container images as root file systems on this machine.
//
// A source says where an image lies, a digest says exactly which image it is:
//   oci:DIR[:TAG]              an OCI image layout (a folder); without a tag it must hold one image
//   docker-archive:FILE[:REF]  what `docker save` writes (a tar file)
//   docker://HOST/NAME[:TAG]   a registry, through skopeo into a layout of our own
//   fl:FILE, fl:http(s)://HOST/NAME   a `.fl` file, mounted lazily (flist/lazy_images.h)
// The digest of an OCI image is that of its manifest (or of its index of platforms: the manifest of this
// machine's platform is taken). The digest of a docker archive is the sha256 of its config, Docker's
// "image id": the config names the sha256 of every layer's content, so it binds all of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"

namespace mcloud::image {

// What the image says about how to run it. Its author is a stranger: bounded, but not trusted.
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;      // arguments of the entrypoint, or the whole command without one
  std::vector<std::string> environment;  // "NAME=value", in the image's order
  std::string user;                      // "", "name", "uid", each with ":group" or ":gid"
  std::string working_folder;            // "" = "/"
  std::string stop_signal;               // "" = SIGTERM; "SIGQUIT", "3"
  std::vector<std::string> volumes;      // paths the image declares as volumes
};

struct PreparedImage {
  std::string digest;       // "sha256:<64 hex>"
  std::string root_folder;  // the root file system: read-only for everybody, owners 0..65535 as in the image
  ImageConfig config;
  uint64_t bytes = 0;       // of its files
};

// Which image is meant.
struct ImageWanted {
  std::string source;
  std::string digest;
  std::vector<PublicKey> signers = {};  // each must have signed the digest; only fl: images carry signatures
};

// The port: one implementation unpacks, another may mount lazily. All calls block, from any thread.
class Images {
 public:
  virtual ~Images() = default;
  // Makes the image ready. Idempotent; when several prepare one image, one works and the others wait.
  // A crash at any moment leaves nothing that a later call takes for complete.
  //   NotFound     no such source, or it does not hold `digest`
  //   Corrupt      bytes do not match their digest (the message names it), or are no image
  //   Exhausted    a bound of image/limits.h is passed
  //   Unsupported  a format or platform we do not run
  //   Unavailable  a registry cannot be reached
  //   Denied       a required signature is missing; nothing was mounted
  virtual Result<PreparedImage> prepare(const ImageWanted& wanted) = 0;
  // An image prepared before, whoever signed it; NotFound otherwise. Looks at nothing but our own disk.
  virtual Result<PreparedImage> find(const std::string& digest) = 0;
  // Digests of the prepared images, sorted.
  virtual Result<std::vector<std::string>> list() = 0;
  // Absent is fine. The caller knows that no container uses it.
  virtual Status remove(const std::string& digest) = 0;
  // prepare() does not wait for the disk: after a power loss, images that no make_durable() followed are made
  // again. May take seconds on a busy disk: for idle times.
  virtual Status make_durable() = 0;
  // The root folder of a prepared image with `base` added to all its owners, for kernels that cannot map the ids of
  // its mount; nullopt where root_folder is idmapped like any folder. Blocks shortly.
  virtual Result<std::optional<std::string>> shifted_root(const std::string& digest, uint32_t base) {
    return static_cast<void>(digest), static_cast<void>(base), std::optional<std::string>();
  }
  // What kept files of the image from being read since it was prepared, for people; "" when nothing did. For those
  // who saw a program fail. Only images whose content arrives late can have trouble.
  virtual std::string trouble(const std::string& digest) { return static_cast<void>(digest), ""; }
};

struct UnpackOptions {
  std::string folder;                      // DATA/images; made with mode 0700: it holds set-uid files of strangers
  uint64_t wait_timeout_ms = 600'000;      // for another process that prepares the same image
  std::string skopeo = "skopeo";           // the program for docker://
  uint64_t download_timeout_ms = 600'000;
};

// Full unpack: FOLDER/<hex>/root beside its config. Sweeps what a crash left behind in FOLDER.
Result<std::unique_ptr<Images>> open_unpacked_images(const UnpackOptions& options);

// The digest that `source` names now ("sha256:..."), checked only as far as it is read. docker:// asks the
// registry. For the compiler: what is signed is the digest. Relative paths are seen from the working folder.
Result<std::string> resolve_digest(const std::string& source);

}  // namespace mcloud::image
