#include "shell/files/host_handle.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>
#include <unistd.h>

#include <stdexcept>
#include <system_error>

namespace lockstep::files::host {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeadSize = 24, kTagSize = 16, kKeySize = 32;
using Key = std::array<std::uint8_t, kKeySize>;

Key hmac(wire::ByteView key, wire::ByteView message) {
  Key sum{};
  unsigned size = kKeySize;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
            sum.data(), &size)) {
    throw std::runtime_error("HMAC-SHA256 is not available");
  }
  return sum;
}

[[noreturn]] void raise(const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(), path.string());
}

/// Writes a fresh secret beside `path` and links it there, so that it appears whole or not at all
/// and two servers that start together agree on one.
void make_secret(const std::filesystem::path& path) {
  Key secret{};
  if (getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
    raise("getrandom");
  }
  const std::filesystem::path draft = path.string() + "." + std::to_string(getpid());
  const UniqueFd file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file || ::write(file.get(), secret.data(), secret.size()) != kKeySize ||
      ::fsync(file.get()) != 0) {
    raise(draft);
  }
  const bool linked = ::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST;
  const int error = errno;
  ::unlink(draft.c_str());
  errno = error;
  if (!linked) raise(path);
  const UniqueFd dir(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir) ::fsync(dir.get());
}

Key load_secret(const std::filesystem::path& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) {
    make_secret(path);
    file = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  }
  if (!file) raise(path);
  Key secret{};
  if (::read(file.get(), secret.data(), secret.size()) != kKeySize) {
    errno = EBADMSG;
    raise(path);
  }
  return secret;
}

}  // namespace

HandleCodec::HandleCodec(const std::filesystem::path& state_dir, const std::string& export_name,
                         std::uint32_t export_id)
    : export_id_(export_id) {
  wire::BigWriter label;
  label.text("lockstep file handle");
  label.u32(export_id);
  label.text(export_name);
  key_ = hmac(load_secret(state_dir / "handle.key"), label.buffer());
}

std::array<std::uint8_t, 16> HandleCodec::tag(wire::ByteView head) const {
  const Key sum = hmac(key_, head);
  std::array<std::uint8_t, kTagSize> short_sum;
  std::copy_n(sum.begin(), kTagSize, short_sum.begin());
  return short_sum;
}

wire::Bytes HandleCodec::seal(const Parts& parts) const {
  wire::BigWriter out;
  out.u8(kVersion);
  out.u8(parts.kernel.size);
  out.u16(parts.kernel.type);
  out.u32(export_id_);
  out.u64(parts.id.node);
  out.u32(parts.id.generation);
  out.u32(parts.id.volume);
  out.bytes(parts.kernel.view());
  out.bytes(tag(out.buffer()));
  static_assert(kHeadSize + KernelHandle::kSizeMax + kTagSize <= kSizeMax);
  return out.take();
}

std::optional<HandleCodec::Parts> HandleCodec::parse(wire::ByteView handle) const {
  wire::BigReader in(handle);
  Parts parts;
  const std::uint8_t version = in.u8();
  parts.kernel.size = in.u8();
  parts.kernel.type = in.u16();
  const std::uint32_t export_id = in.u32();
  parts.id.node = in.u64();
  parts.id.generation = in.u32();
  parts.id.volume = in.u32();
  if (parts.kernel.size > KernelHandle::kSizeMax) return std::nullopt;
  const wire::ByteView kernel = in.take(parts.kernel.size);
  in.take(kTagSize);
  if (in.failed() || in.remaining() != 0 || version != kVersion || export_id != export_id_) {
    return std::nullopt;
  }
  std::copy(kernel.begin(), kernel.end(), parts.kernel.bytes);
  return parts;
}

bool HandleCodec::authentic(wire::ByteView handle) const {
  if (handle.size() < kHeadSize + kTagSize) return false;
  const std::size_t head = handle.size() - kTagSize;
  return equal_bytes(tag(handle.first(head)), handle.subspan(head));
}

bool equal_bytes(wire::ByteView one, wire::ByteView other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace lockstep::files::host
