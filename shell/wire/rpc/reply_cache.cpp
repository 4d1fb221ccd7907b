#include "shell/wire/rpc/reply_cache.hpp"

#include <algorithm>
#include <utility>

#include "shell/wire/rpc/program.hpp"

namespace lockstep::wire::rpc {
namespace {

constexpr std::uint64_t kMix = 0x9E3779B97F4A7C15;

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * kMix;
  return hash ^ (hash >> 29);
}

/// Enough of the arguments to tell two calls apart that share an xid; a WRITE's data is not read
/// to its end.
constexpr std::size_t kChecksumMax = 512;

std::uint64_t checksum(ByteView arguments) {
  std::uint64_t hash = mix(0, arguments.size());
  ByteView part = arguments.first(std::min(arguments.size(), kChecksumMax));
  while (part.size() >= 8) {
    hash = mix(hash, detail::load<std::endian::big, std::uint64_t>(part.data()));
    part = part.subspan(8);
  }
  for (const std::uint8_t byte : part) hash = mix(hash, byte);
  return hash;
}

}  // namespace

CallKey key_of(const CallContext& call) {
  CallKey key;
  key.client = call.remote.host;
  key.xid = call.header.xid;
  key.program = call.header.program;
  key.version = call.header.version;
  key.procedure = call.header.procedure;
  key.uid = call.header.credential.uid;
  key.gid = call.header.credential.gid;
  key.checksum = checksum(ByteView(call.message).subspan(call.arguments));
  return key;
}

std::size_t ReplyCache::KeyHash::operator()(const CallKey& key) const {
  std::uint64_t hash = std::hash<std::string>()(key.client);
  hash = mix(hash, (std::uint64_t{key.xid} << 32) | key.program);
  hash = mix(hash, (std::uint64_t{key.version} << 32) | key.procedure);
  return static_cast<std::size_t>(mix(hash, key.checksum));
}

ReplyCache::Outcome ReplyCache::begin(const CallKey& key, core::Nanos now, Answer answer) {
  while (!age_.empty() && calls_.find(age_.front())->second.until <= now) {
    drop_oldest_of(std::string(age_.front().client));
  }
  const auto [at, fresh] = calls_.try_emplace(key);
  if (fresh) {
    ++clients_[key.client].entries;
    return Outcome::fresh;
  }
  ++hits_;
  Entry& entry = at->second;
  if (entry.done) {
    answer(entry.reply);
    return Outcome::answered;
  }
  entry.joined.push_back(std::move(answer));
  if (entry.joined.size() > limits_.joined_max) {
    const Answer oldest = std::move(entry.joined.front());
    entry.joined.erase(entry.joined.begin());
    oldest({});
  }
  return Outcome::joined;
}

void ReplyCache::finish(const CallKey& key, core::Nanos now, const Bytes& reply, bool keep) {
  const auto at = calls_.find(key);
  if (at == calls_.end()) return;
  const std::vector<Answer> joined = std::exchange(at->second.joined, {});
  if (keep) {
    Entry& entry = at->second;
    Client& client = clients_[key.client];
    entry.done = true;
    entry.reply = reply;
    entry.until = now + limits_.keep;
    entry.place = age_.insert(age_.end(), key);
    client.done.push_back(key);
    bytes_ += entry.reply.size();
    if (client.done.size() > limits_.replies_per_client_max) drop_oldest_of(key.client);
    while (bytes_ > limits_.bytes_max && !age_.empty()) {
      drop_oldest_of(std::string(age_.front().client));
    }
  } else {
    calls_.erase(at);
    release(key.client);
  }
  // Last: what an answer sets off may come back here.
  for (const Answer& answer : joined) answer(reply);
}

// The oldest finished call of all is also the oldest of its client, so this serves both limits.
void ReplyCache::drop_oldest_of(const std::string& name) {
  Client& client = clients_.find(name)->second;
  const auto at = calls_.find(client.done.front());
  client.done.pop_front();
  bytes_ -= at->second.reply.size();
  age_.erase(at->second.place);
  calls_.erase(at);
  release(name);
}

void ReplyCache::release(const std::string& name) {
  const auto at = clients_.find(name);
  if (--at->second.entries == 0) clients_.erase(at);
}

}  // namespace lockstep::wire::rpc
