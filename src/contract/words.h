// Inside this room only: the words of the language for each enum, in the file and in diffs.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "mcloud/contract.pb.h"

namespace mcloud::contract {

template <typename E>
struct Word {
  std::string_view word;
  E value;
};

inline constexpr std::array<Word<pb::Spread>, 3> kSpreadWords = {
    {{"prefer", pb::SPREAD_PREFER}, {"require", pb::SPREAD_REQUIRE}, {"pack", pb::SPREAD_PACK}}};
inline constexpr std::array<Word<pb::NodeLoss>, 3> kNodeLossWords = {
    {{"move", pb::NODE_LOSS_MOVE}, {"wait", pb::NODE_LOSS_WAIT}, {"start-empty", pb::NODE_LOSS_START_EMPTY}}};
inline constexpr std::array<Word<pb::Isolation>, 2> kIsolationWords = {
    {{"run", pb::ISOLATION_RUN}, {"stop", pb::ISOLATION_STOP}}};
inline constexpr std::array<Word<pb::MassLoss>, 2> kMassLossWords = {
    {{"hold", pb::MASS_LOSS_HOLD}, {"move", pb::MASS_LOSS_MOVE}}};
inline constexpr std::array<Word<pb::RestartWhen>, 3> kRestartWords = {
    {{"always", pb::RESTART_ALWAYS}, {"on-failure", pb::RESTART_ON_FAILURE}, {"never", pb::RESTART_NEVER}}};

inline constexpr std::array<Word<bool>, 2> kProgramWords = {{{"any", false}, {"image-only", true}}};

inline constexpr std::array<Word<pb::KvMode>, 2> kKvModeWords = {
    {{"user", pb::KV_MODE_USER}, {"sequence", pb::KV_MODE_SEQUENCE}}};
inline constexpr std::array<Word<pb::KvDurability>, 3> kKvDurabilityWords = {
    {{"always", pb::KV_DURABILITY_ALWAYS}, {"interval", pb::KV_DURABILITY_INTERVAL}, {"none", pb::KV_DURABILITY_NONE}}};
inline constexpr std::array<Word<pb::KvDialect>, 2> kKvDialectWords = {
    {{"redis", pb::KV_DIALECT_REDIS}, {"0-db", pb::KV_DIALECT_ZDB}}};

inline constexpr std::array<Word<pb::Encryption>, 3> kEncryptionWords = {
    {{"wireguard", pb::ENCRYPTION_WIREGUARD}, {"dedicated", pb::ENCRYPTION_DEDICATED}, {"none", pb::ENCRYPTION_NONE}}};
inline constexpr std::array<Word<pb::Balance>, 3> kBalanceWords = {{{"round-robin", pb::BALANCE_ROUND_ROBIN},
                                                                    {"least-connections", pb::BALANCE_LEAST_CONNECTIONS},
                                                                    {"source", pb::BALANCE_SOURCE}}};
inline constexpr std::array<Word<pb::Exposure>, 2> kExposureWords = {
    {{"auto", pb::EXPOSURE_AUTO}, {"tunnel", pb::EXPOSURE_TUNNEL}}};
// Where a publication appears.
inline constexpr std::array<Word<bool>, 2> kAtWords = {{{"nodes", false}, {"gateways", true}}};

}  // namespace mcloud::contract
