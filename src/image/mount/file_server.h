// Inside this shelf: answers the kernel's requests. Everything is immutable, so the kernel may remember every name,
// attribute, link, folder and byte for ever; only the mount's root folder changes. Thread-safe: any number of threads
// run serve() on the one descriptor.
#pragma once

#include <atomic>  // figures
#include <map>
#include <mutex>  // the table of what was logged

#include "image/cache/content_cache.h"
#include "image/mount/file_reads.h"
#include "image/mount/node_id.h"
#include "image/mount/open_table.h"

namespace mcloud::image {

class FileServer {
 public:
  // Borrows all of them. `log` is nullptr when the kernel sends again by itself what is not answered.
  FileServer(const FuseDevice& device, SharedMemory& memory, OpenTable& opens, ServedImages& images,
             ContentCache& cache, RequestLog* log);

  // Until the mount is gone. `thread` is one of kServingThreads.
  void serve(uint32_t thread);
  // One request, whole, as it was read. What is malformed is answered with EIO or ignored. `is_resent`: a dead process
  // may have handled it.
  void handle(std::string_view request, bool is_resent = false);

  // To be called now and then (0.2 s): what no request drives.
  void tick() { reads_.end_killed(); }
  // After a takeover: content of files that are open is held again.
  void hold_open_files();
  uint64_t reads() const { return reads_count_; }

 private:
  struct Request;
  // The node of a request, when its image is there.
  struct Place {
    NodePlace id;
    std::shared_ptr<const ServedImage> image;
    const Index* index = nullptr;
    IndexNode facts{};
  };

  bool find(const Request& request, Place& place) const;
  void look_for_more();
  bool handle_names(const Request& request);
  bool handle_files(const Request& request);
  void lookup(const Request& request);
  void get_attributes(const Request& request);
  void read_link(const Request& request);
  void open(const Request& request);
  void release(const Request& request);
  void read(const Request& request);
  void read_folder(const Request& request, bool plus);
  void read_root_folder(const Request& request, const fuse::ReadIn& in, bool plus);
  void get_xattr(const Request& request);
  void list_xattrs(const Request& request);
  void file_system(const Request& request);
  void forget(const Request& request);
  void forgotten(uint64_t node);

  fuse::EntryOut entry_of(const ServedImage& image, NodeNumber node) const;
  Result<OpenTable::Choice> choose(const Place& place);
  int backing_for(const Content& content);
  void note_error(const ServedImage& image, const Error& error);

  const FuseDevice& device_;
  SharedMemory& memory_;
  OpenTable& opens_;
  ServedImages& images_;
  ContentCache& cache_;
  RequestLog* log_;
  FileReads reads_;
  std::atomic<bool> is_looking_{false};
  std::atomic<uint64_t> reads_count_{0};
  std::mutex logged_mutex_;
  std::map<std::pair<std::string, Code>, uint64_t> logged_;  // when, in minutes
};

}  // namespace mcloud::image
