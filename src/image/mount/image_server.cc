#include <poll.h>
#include <unistd.h>

#include <thread>  // several answer the kernel; one each listens to the agent, watches the keeper, ticks
#include <utility>

#include "base/log.h"
#include "image/mount/control_server.h"
#include "image/mount/file_server.h"
#include "image/mount/image_control.h"
#include "image/mount/imagefs_process.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

void watch_keeper(const SharedDescriptors& shared, const std::string& folder, ImageControl& control, int keeper) {
  Peer peer = Peer::parent(keeper);
  Backoff backoff;
  uint64_t since_ms = now_ms();
  while (true) {
    control.set_keeper(peer.process());
    while (!peer.has_ended(60'000)) bound_log(folder);
    if (shared.memory->is_stopping()) return;
    shared.memory->count_restart();
    log::warning("image", "the keeper ended; a new one starts", {{"process", std::to_string(peer.process())}});
    Result<std::unique_ptr<io::Child>> child = make_error(Code::Internal, "");
    while (!child.has_value()) {
      ::poll(nullptr, 0, static_cast<int>(backoff.next_ms(now_ms() - since_ms)));
      since_ms = now_ms();
      child = start_role("keeper", ::getpid(), shared, folder);
      if (!child.has_value()) log::error("image", "cannot start a keeper", {{"error", child.error().message}});
    }
    peer = Peer(std::move(*child));
  }
}

void keep_house(FileServer& files, SharedMemory& memory) {
  while (true) {
    memory.beat(now_ms());
    ::poll(nullptr, 0, 200);
    files.tick();
  }
}

void note_store(const std::string& store, const Error& error) {
  if (error.code == Code::Cancelled) return log::info("image", "a store answers again", {{"store", store}});
  log::warning("image", error.code == Code::Corrupt ? "a store gave a wrong block" : "a store fails",
               {{"store", store}, {"error", error.message}});
}

Status serve(SharedDescriptors& shared, int keeper) {
  TRY(drop_privileges());
  KeptState state = TRY(parse_state(shared.memory->text()));
  const MountOptions& options = state.options;
  std::unique_ptr<ContentCache> cache = TRY(ContentCache::open({options.cache_folder, options.cache_bytes_max}));
  std::unique_ptr<Loader> loader = Loader::create(*cache);
  RoutesOptions routes;
  routes.store.certificates = options.certificates;
  routes.store.trust = std::make_shared<io::TlsTrust>(options.certificates);  // one for all images
  routes.block_timeout_ms = options.block_timeout_ms;
  routes.on_fault = note_store;
  std::unique_ptr<ServedImages> images = TRY(ServedImages::open(*shared.memory, *loader, routes));
  FuseDevice device(shared.fuse.get());
  OpenTable opens(*shared.memory, [&device](int backing) { device.close_backing(backing); });
  bool is_resent_by_kernel = shared.memory->negotiated().has_resend;
  RequestLog log(*shared.memory);
  FileServer files(device, *shared.memory, opens, *images, *cache, is_resent_by_kernel ? nullptr : &log);
  ImageControl control(device, *shared.memory, opens, *images, *cache, files);
  files.hold_open_files();

  // What an earlier process read and did not answer. Nobody reads yet, so nothing of ours comes twice.
  if (is_resent_by_kernel) TRY(device.resend());
  log.take_over([&files](std::string_view request) { files.handle(request, true); });
  std::vector<std::thread> serving;
  for (uint32_t i = 0; i < kServingThreads; ++i) serving.emplace_back([&files, i] { files.serve(i); });
  std::thread([&] { watch_keeper(shared, options.folder, control, keeper); }).detach();
  std::thread([&] { keep_house(files, *shared.memory); }).detach();
  std::thread([&] {
    while (true) serve_control(shared.control.get(), 60'000, [&](const ControlRequest& request) { return control.handle(request); });
  }).detach();
  log::info("image", "serving", {{"process", std::to_string(::getpid())}, {"images", std::to_string(images->list().size())}});
  for (std::thread& thread : serving) thread.join();
  // The mount is gone: nothing is left to serve or to keep.
  shared.memory->set_stopping();
  ::_exit(0);
}

}  // namespace

int run_server(SharedDescriptors shared, int keeper) {
  Status served = serve(shared, keeper);
  log::error("image", "cannot serve", {{"error", served.error().message}});
  return 1;
}

}  // namespace mcloud::image
