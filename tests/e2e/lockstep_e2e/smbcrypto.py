"""What SMB needs beyond hashlib: MD4, AES-CMAC, key derivation, NTLMv2, SPNEGO."""
import ctypes
import ctypes.util
import hashlib
import hmac
import os
import struct
import time

MASK = 0xFFFFFFFF


def md4(data):
    """RFC 1320; OpenSSL 3 no longer offers it."""
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    data = data + b"\x80" + b"\0" * ((55 - len(data)) % 64) + struct.pack("<Q", 8 * len(data))
    rounds = [
        (lambda x, y, z: (x & y) | (~x & z), 0, range(16), (3, 7, 11, 19)),
        (lambda x, y, z: (x & y) | (x & z) | (y & z), 0x5A827999,
         [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], (3, 5, 9, 13)),
        (lambda x, y, z: x ^ y ^ z, 0x6ED9EBA1,
         [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], (3, 9, 11, 15)),
    ]
    for block in range(0, len(data), 64):
        words = struct.unpack("<16I", data[block:block + 64])
        a, b, c, d = state
        for mix, constant, order, shifts in rounds:
            for step, index in enumerate(order):
                value = (a + mix(b, c, d) + words[index] + constant) & MASK
                shift = shifts[step % 4]
                a, b, c, d = d, ((value << shift) | (value >> (32 - shift))) & MASK, b, c
        state = [(x + y) & MASK for x, y in zip(state, (a, b, c, d))]
    return struct.pack("<4I", *state)


def _libcrypto():
    """OpenSSL, which lockstepd is linked with and which is here therefore: one of 3.0 or later."""
    library = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
    library.EVP_Q_mac.restype = ctypes.c_void_p
    return library


def cmac(key, data):
    """AES-CMAC (RFC 4493)."""
    out, size = ctypes.create_string_buffer(16), ctypes.c_size_t()
    if not LIBCRYPTO.EVP_Q_mac(None, b"CMAC", None, b"AES-128-CBC", None, key,
                               ctypes.c_size_t(len(key)), data, ctypes.c_size_t(len(data)), out,
                               ctypes.c_size_t(16), ctypes.byref(size)):
        raise ValueError("no CMAC of OpenSSL")
    return out.raw


LIBCRYPTO = _libcrypto()


def derive(key, label, context):
    """SP 800-108 in counter mode with HMAC-SHA256, 128 bits (MS-SMB2 3.1.4.2)."""
    data = struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", 128)
    return hmac.new(key, data, hashlib.sha256).digest()[:16]


# NTLM (MS-NLMP) ------------------------------------------------------------------------------------

UNICODE, REQUEST_TARGET, SIGN, NTLM = 0x1, 0x4, 0x10, 0x200
ALWAYS_SIGN, EXTENDED, TARGET_INFO = 0x8000, 0x80000, 0x800000
KEY_128, KEY_EXCHANGE, KEY_56 = 0x20000000, 0x40000000, 0x80000000
FLAGS = (UNICODE | REQUEST_TARGET | SIGN | NTLM | ALWAYS_SIGN | EXTENDED | TARGET_INFO | KEY_128
         | KEY_EXCHANGE | KEY_56)


def rc4(key, data):
    box, j, out = list(range(256)), 0, bytearray()
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) & 255
        box[i], box[j] = box[j], box[i]
    i = j = 0
    for byte in data:
        i = (i + 1) & 255
        j = (j + box[i]) & 255
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) & 255])
    return bytes(out)


def hmac_md5(key, data):
    return hmac.new(key, data, hashlib.md5).digest()


def ntlm_negotiate():
    return b"NTLMSSP\0" + struct.pack("<II", 1, FLAGS) + b"\0" * 16


def av_pairs(data):
    pairs, at = {}, 0
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, at)
        if kind == 0:
            break
        pairs[kind] = data[at + 4:at + 4 + size]
        at += 4 + size
    return pairs


def ntlm_authenticate(negotiate, challenge, user, password, domain=""):
    """The AUTHENTICATE_MESSAGE and the session key, from the server's CHALLENGE_MESSAGE."""
    (flags,) = struct.unpack_from("<I", challenge, 20)
    flags &= FLAGS
    server_challenge = challenge[24:32]
    size, _, at = struct.unpack_from("<HHI", challenge, 40)
    pairs = av_pairs(challenge[at:at + size])
    stamp = pairs.get(7) or struct.pack("<Q", int((time.time() + 11644473600) * 10**7))
    pairs[6] = struct.pack("<I", struct.unpack("<I", pairs.get(6, b"\0" * 4))[0] | 2)
    info = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in pairs.items())
    info += b"\0" * 4
    name = (user.upper() + domain).encode("utf-16-le")
    ntowf = hmac_md5(md4(password.encode("utf-16-le")), name)
    temp = b"\1\1" + b"\0" * 6 + stamp + os.urandom(8) + b"\0" * 4 + info + b"\0" * 4
    proof = hmac_md5(ntowf, server_challenge + temp)
    session_key = base_key = hmac_md5(ntowf, proof)
    encrypted_key = b""
    if flags & KEY_EXCHANGE:
        session_key = os.urandom(16)
        encrypted_key = rc4(base_key, session_key)
    fields = [b"\0" * 24, proof + temp, domain.encode("utf-16-le"), user.encode("utf-16-le"),
              "".encode("utf-16-le"), encrypted_key]
    head, payload, at = b"NTLMSSP\0" + struct.pack("<I", 3), b"", 88
    for field in fields:
        head += struct.pack("<HHI", len(field), len(field), at + len(payload))
        payload += field
    head += struct.pack("<I", flags) + b"\0" * 8
    mic = hmac_md5(session_key, negotiate + challenge + head + b"\0" * 16 + payload)
    return head + mic + payload, session_key


# SPNEGO (RFC 4178), as little DER as two fixed messages need -----------------------------------------

SPNEGO_OID, NTLM_OID = bytes.fromhex("06062b0601050502"), bytes.fromhex("060a2b06010401823702020a")


def der(tag, body):
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def spnego_init(token):
    inner = der(0xA0, der(0x30, NTLM_OID)) + der(0xA2, der(0x04, token))
    return der(0x60, SPNEGO_OID + der(0xA0, der(0x30, inner)))


def mech_list_mic(session_key):
    """NTLM's signature (MS-NLMP 3.4.4.2, with key exchange) over the list of one mechanism."""
    magic = b"session key to client-to-server %s key magic constant\0"
    signing, sealing = (hashlib.md5(session_key + magic % word).digest()
                        for word in (b"signing", b"sealing"))
    digest = hmac_md5(signing, b"\0" * 4 + der(0x30, NTLM_OID))[:8]
    return struct.pack("<I", 1) + rc4(sealing, digest) + b"\0" * 4


def spnego_response(token, session_key):
    mic = der(0xA3, der(0x04, mech_list_mic(session_key)))
    return der(0xA1, der(0x30, der(0xA2, der(0x04, token)) + mic))


def find_ntlm(blob):
    at = blob.find(b"NTLMSSP\0")
    if at < 0:
        raise ValueError("no NTLM message in the server's security blob")
    return blob[at:]
