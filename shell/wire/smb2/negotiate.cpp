#include "shell/wire/smb2/negotiate.hpp"

#include <algorithm>

#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint16_t kContextPreauth = 1;
constexpr std::uint16_t kContextEncryption = 2;
constexpr std::uint16_t kContextSigning = 8;
constexpr std::uint16_t kHashSha512 = 1;
/// More contexts, dialects or algorithms than any client has.
constexpr std::size_t kListMax = 64;

std::vector<std::uint16_t> read_list(LittleReader& in, std::size_t count) {
  std::vector<std::uint16_t> list;
  if (count > kListMax) in.fail();
  for (std::size_t i = 0; i < count && in.ok(); ++i) list.push_back(in.u16());
  return list;
}

void read_context(std::uint16_t type, ByteView data, NegotiateRequest& request, LittleReader& in) {
  std::optional<std::vector<std::uint16_t>>* target = nullptr;
  if (type == kContextPreauth) target = &request.hashes;
  if (type == kContextEncryption) target = &request.ciphers;
  if (type == kContextSigning) target = &request.signings;
  if (target == nullptr) return;  // compression, netname, transport, RDMA, POSIX: not offered
  if (target->has_value()) request.duplicate_context = true;
  LittleReader content(data);
  const std::uint16_t count = content.u16();
  if (type == kContextPreauth) content.skip(2);  // SaltLength; the salt itself says nothing to us
  *target = read_list(content, count);
  if (content.failed() || count == 0) in.fail();
}

void read_contexts(LittleReader& in, std::uint32_t offset, std::uint16_t count,
                   NegotiateRequest& request) {
  if (offset % 8 != 0 || offset < kHeaderSize || count > kListMax) in.fail();
  in.seek(offset);
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    if (i != 0) in.skip((8 - in.position() % 8) % 8);
    const std::uint16_t type = in.u16();
    const std::uint16_t size = in.u16();
    in.skip(4);
    const ByteView data = in.take(size);
    if (in.ok()) read_context(type, data, request, in);
  }
}

void append_context(LittleWriter& out, std::uint16_t type, ByteView data) {
  out.align(8);
  out.u16(type);
  out.u16(static_cast<std::uint16_t>(data.size()));
  out.u32(0);
  out.bytes(data);
}

/// The client's first choice that we can do.
crypto::CipherId choose_cipher(const std::vector<std::uint16_t>& offered) {
  for (const std::uint16_t id : offered) {
    if (id >= 1 && id <= 4) return static_cast<crypto::CipherId>(id);
  }
  return crypto::CipherId::none;
}

NtStatus negotiate_311(const NegotiateRequest& request, const Options& options,
                       Negotiated& result) {
  // 3.3.5.4: exactly one pre-authentication context; each other kind at most once.
  if (!request.hashes || request.duplicate_context) return NtStatus::invalid_parameter;
  if (std::ranges::find(*request.hashes, kHashSha512) == request.hashes->end()) {
    return NtStatus::no_preauth_integrity_hash_overlap;
  }
  if (request.ciphers) {
    result.answer_encryption = true;
    if (options.encryption != EncryptionPolicy::off)
      result.cipher = choose_cipher(*request.ciphers);
  }
  result.signing = crypto::SigningAlgorithm::aes_cmac;
  if (request.signings) {
    for (const std::uint16_t id : *request.signings) {
      if (id > 2) continue;
      result.signing = static_cast<crypto::SigningAlgorithm>(id);
      result.answer_signing = true;
      break;
    }
  }
  return NtStatus::success;
}

void set_limits(const Options& options, Negotiated& result) {
  result.security_mode = static_cast<std::uint16_t>(
      kSigningEnabled | (options.signing_required ? kSigningRequired : 0));
  if (result.dialect == Dialect::smb202) return;  // 64 KiB and one credit a request
  result.capabilities |= kCapLargeMtu | kCapLeasing;
  result.transact_max = options.transact_max;
  result.read_max = options.read_max;
  result.write_max = options.write_max;
}

}  // namespace

std::optional<NegotiateRequest> decode_negotiate_request(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize);
  const std::uint16_t structure_size = in.u16();
  const std::uint16_t dialect_count = in.u16();
  NegotiateRequest request;
  request.security_mode = in.u16();
  in.skip(2);
  request.capabilities = in.u32();
  const ByteView guid = in.take(16);
  const std::uint32_t context_offset = in.u32();
  const std::uint16_t context_count = in.u16();
  in.skip(2);
  if (in.failed() || structure_size != 36) return std::nullopt;
  std::copy(guid.begin(), guid.end(), request.client_guid.bytes.begin());
  for (const std::uint16_t dialect : read_list(in, dialect_count)) {
    request.dialects.push_back(static_cast<Dialect>(dialect));
  }
  // Without 3.1.1 these eight bytes are ClientStartTime.
  if (std::ranges::find(request.dialects, Dialect::smb311) != request.dialects.end()) {
    read_contexts(in, context_offset, context_count, request);
  }
  if (in.failed()) return std::nullopt;
  return request;
}

std::optional<MultiProtocolRequest> decode_smb1_negotiate(ByteView frame) {
  constexpr std::array<std::uint8_t, 5> kStart = {0xFF, 'S', 'M', 'B', 0x72};
  constexpr std::size_t kSmb1Header = 32;
  LittleReader in(frame);
  const ByteView start = in.take(kStart.size());
  if (in.failed() || !std::equal(start.begin(), start.end(), kStart.begin())) return std::nullopt;
  in.seek(kSmb1Header);
  if (in.u8() != 0) return std::nullopt;  // WordCount
  LittleReader list(in.take(in.u16()));
  MultiProtocolRequest request;
  while (list.ok() && list.remaining() != 0) {
    if (list.u8() != 2) return std::nullopt;  // BufferFormat
    const ByteView rest = list.rest();
    const auto end = std::find(rest.begin(), rest.end(), std::uint8_t{0});
    if (end == rest.end()) return std::nullopt;
    const std::string_view name = as_text(list.take(static_cast<std::size_t>(end - rest.begin())));
    list.skip(1);
    request.smb202 = request.smb202 || name == "SMB 2.002";
    request.wildcard = request.wildcard || name == "SMB 2.???";
  }
  if (in.failed() || list.failed()) return std::nullopt;
  return request;
}

Dialect choose_dialect(const std::vector<Dialect>& offered, const Options& options) {
  static constexpr Dialect kKnown[] = {Dialect::smb311, Dialect::smb302, Dialect::smb300,
                                       Dialect::smb210, Dialect::smb202};
  for (const Dialect dialect : kKnown) {
    if (dialect < options.dialect_min || dialect > options.dialect_max) continue;
    if (std::ranges::find(offered, dialect) != offered.end()) return dialect;
  }
  return Dialect::none;
}

NtStatus negotiate(const NegotiateRequest& request, const Options& options, Negotiated& result) {
  if (request.dialects.empty()) return NtStatus::invalid_parameter;
  result = Negotiated{};
  result.dialect = choose_dialect(request.dialects, options);
  if (result.dialect == Dialect::none) return NtStatus::not_supported;
  result.client_security_mode = request.security_mode;
  result.client_capabilities = request.capabilities;
  result.client_guid = request.client_guid;
  set_limits(options, result);
  if (result.dialect == Dialect::smb311) return negotiate_311(request, options, result);
  if (result.dialect >= Dialect::smb300) {
    result.signing = crypto::SigningAlgorithm::aes_cmac;
    if (options.encryption != EncryptionPolicy::off &&
        (request.capabilities & kCapEncryption) != 0) {
      result.capabilities |= kCapEncryption;
      result.cipher = crypto::CipherId::aes128_ccm;
    }
  }
  return NtStatus::success;
}

Negotiated negotiate_multi_protocol(Dialect dialect, const Options& options) {
  Negotiated result;
  result.dialect = dialect;
  set_limits(options, result);
  return result;
}

Bytes encode_negotiate_response(const Negotiated& agreed, const Guid& server_guid,
                                std::uint64_t now, ByteView security_buffer,
                                const std::array<std::uint8_t, 32>& salt) {
  constexpr std::size_t kFixed = 64;
  const bool contexts = agreed.dialect == Dialect::smb311;
  const unsigned count =
      contexts ? 1u + (agreed.answer_encryption ? 1u : 0u) + (agreed.answer_signing ? 1u : 0u) : 0u;
  LittleWriter out;
  out.u16(65);
  out.u16(agreed.security_mode);
  out.u16(static_cast<std::uint16_t>(agreed.dialect));
  out.u16(static_cast<std::uint16_t>(count));
  out.bytes(server_guid.bytes);
  out.u32(agreed.capabilities);
  out.u32(agreed.transact_max);
  out.u32(agreed.read_max);
  out.u32(agreed.write_max);
  out.u64(now);
  out.u64(0);  // ServerStartTime: nothing to gain from telling it
  out.u16(static_cast<std::uint16_t>(kHeaderSize + kFixed));
  out.u16(static_cast<std::uint16_t>(security_buffer.size()));
  const std::size_t context_offset_at = out.size();
  out.u32(0);
  out.bytes(security_buffer);
  if (!contexts) return out.take();

  out.align(8);
  out.patch_u32(context_offset_at, static_cast<std::uint32_t>(kHeaderSize + out.size()));
  LittleWriter preauth;
  preauth.u16(1);
  preauth.u16(static_cast<std::uint16_t>(salt.size()));
  preauth.u16(kHashSha512);
  preauth.bytes(salt);
  append_context(out, kContextPreauth, preauth.buffer());
  const auto single = [&](std::uint16_t type, std::uint16_t value) {
    LittleWriter data;
    data.u16(1);
    data.u16(value);
    append_context(out, type, data.buffer());
  };
  if (agreed.answer_encryption) {
    single(kContextEncryption, static_cast<std::uint16_t>(agreed.cipher));
  }
  if (agreed.answer_signing) single(kContextSigning, static_cast<std::uint16_t>(agreed.signing));
  return out.take();
}

}  // namespace lockstep::wire::smb2
