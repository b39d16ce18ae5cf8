// Inside the 0-db dialect: its handlers and what they share. Texts and orders of checks are 0-db's
// (docs/reference of the wire: clients parse them), so they are the same here to the letter.
#pragma once

#include "kv/commands.h"

namespace mcloud::kv::zdb {

inline constexpr size_t kNamespaceBytesMax = 128;
inline constexpr size_t kCursorBytes = 17;
inline constexpr size_t kVersionBytes = 8;  // what HISTORY calls an exact key

// Exactly so many words, none empty. False: the error is said.
bool has_arguments(Call& call, size_t count);
bool is_frozen(Call& call);                           // true: the error is said
bool is_valid_key(Call& call, std::string_view key);  // false: the error is said

void run_asterisk(Call& call);  // zdb_system.cc
void run_wait(Call& call);
void run_mirror(Call& call);
void run_master(Call& call);
void run_ping(Call& call);
void run_time(Call& call);
void run_auth(Call& call);
void run_hooks(Call& call);
void run_index(Call& call);
void run_data(Call& call);
void run_info(Call& call);
void run_stop(Call& call);

void run_set(Call& call);  // zdb_data.cc
void run_get(Call& call);
void run_mget(Call& call);
void run_del(Call& call);
void run_exists(Call& call);
void run_check(Call& call);
void run_length(Call& call);
void run_keytime(Call& call);
void run_dbsize(Call& call);

void run_scan(Call& call);  // zdb_scan.cc
void run_rscan(Call& call);
void run_kscan(Call& call);
void run_keycur(Call& call);
void run_history(Call& call);

void run_nsnew(Call& call);  // zdb_namespace.cc
void run_nsdel(Call& call);
void run_nslist(Call& call);
void run_nsset(Call& call);
void run_nsinfo(Call& call);
void run_nsjump(Call& call);
void run_select(Call& call);
void run_reload(Call& call);
void run_flush(Call& call);

}  // namespace mcloud::kv::zdb
