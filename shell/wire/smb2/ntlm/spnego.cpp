#include "shell/wire/smb2/ntlm/spnego.hpp"

#include <algorithm>
#include <array>

#include "shell/wire/smb2/ntlm/der.hpp"

namespace lockstep::wire::smb2::ntlm {
namespace {

constexpr std::uint8_t kSequence = 0x30, kOid = 0x06, kOctets = 0x04, kEnumerated = 0x0A,
                       kGeneralString = 0x1B, kApplication = 0x60;
constexpr std::uint8_t context(unsigned number) { return static_cast<std::uint8_t>(0xA0 + number); }

constexpr std::array<std::uint8_t, 6> kSpnegoOid = {0x2B, 6, 1, 5, 5, 2};
constexpr std::array<std::uint8_t, 10> kNtlmOid = {0x2B, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10};

enum class NegState : std::uint8_t { completed = 0, incomplete = 1, rejected = 2, request_mic = 3 };

bool same(ByteView left, ByteView right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

Bytes response(NegState state, bool name_mechanism, ByteView token, ByteView mic) {
  const std::uint8_t value = static_cast<std::uint8_t>(state);
  Bytes fields = der(context(0), der(kEnumerated, ByteView(&value, 1)));
  const auto add = [&](unsigned number, const Bytes& content) {
    const Bytes field = der(context(number), content);
    fields.insert(fields.end(), field.begin(), field.end());
  };
  if (name_mechanism) add(1, der(kOid, kNtlmOid));
  if (!token.empty()) add(2, der(kOctets, token));
  if (!mic.empty()) add(3, der(kOctets, mic));
  return der(context(1), der(kSequence, fields));
}

/// The fields of NegTokenInit and NegTokenResp that we look at.
struct Fields {
  bool good = false;
  bool ntlm_offered = false, ntlm_first = false;
  Bytes mechanisms;
  ByteView token, mic;
};

/// Field [0] of NegTokenInit: what the client can do, best first.
void read_mechanisms(DerReader& field, Fields& result) {
  const ByteView whole = field.take_whole(kSequence);
  result.mechanisms.assign(whole.begin(), whole.end());
  DerReader list(DerReader(whole).take(kSequence));
  for (std::size_t i = 0; !list.at_end(); ++i) {
    if (!same(list.take(kOid), kNtlmOid)) continue;
    result.ntlm_offered = true;
    result.ntlm_first = result.ntlm_first || i == 0;
  }
  result.good = !field.failed() && !list.failed();
}

Fields read_fields(ByteView sequence, bool init) {
  Fields result;
  result.good = !init;  // the list of mechanisms is not optional
  DerReader fields(sequence);
  if (init) {
    if (const auto list = fields.take_if(context(0))) {
      DerReader inner(*list);
      read_mechanisms(inner, result);
    }
    fields.take_if(context(1));  // reqFlags: obsolete
  } else {
    fields.take_if(context(0));  // negState: the token says more
    fields.take_if(context(1));  // supportedMech
  }
  if (const auto token = fields.take_if(context(2))) result.token = DerReader(*token).take(kOctets);
  if (const auto mic = fields.take_if(context(3))) {
    DerReader inner(*mic);
    // MS-SPNG: NegTokenInit2 has hints here instead; a client does not send them.
    if (inner.peek() == kOctets) result.mic = inner.take(kOctets);
  }
  result.good = result.good && !fields.failed();
  return result;
}

}  // namespace

Bytes negotiate_hint() {
  const Bytes mechanisms = der(context(0), der(kSequence, der(kOid, kNtlmOid)));
  const Bytes hint = der(
      context(3),
      der(kSequence,
          der(context(0), der(kGeneralString, as_bytes("not_defined_in_RFC4178@please_ignore")))));
  const Bytes token = der(context(0), der(kSequence, joined({mechanisms, hint})));
  return der(kApplication, joined({der(kOid, kSpnegoOid), token}));
}

SpnegoAcceptor::Step SpnegoAcceptor::step(ByteView token) {
  if (state_ == State::start) return first(token);
  if (state_ == State::finished) return {};
  return later(token);
}

SpnegoAcceptor::Step SpnegoAcceptor::first(ByteView token) {
  if (is_ntlm(token)) {
    raw_ = true;
    return challenge(token);
  }
  DerReader outer(token);
  DerReader inner(outer.take(kApplication));
  if (!same(inner.take(kOid), kSpnegoOid)) return {};
  DerReader sequence(inner.take(context(0)));
  const Fields fields = read_fields(sequence.take(kSequence), true);
  if (outer.failed() || inner.failed() || sequence.failed() || !fields.good ||
      !fields.ntlm_offered) {
    return {};
  }
  mechanisms_ = fields.mechanisms;
  mic_required_ = !fields.ntlm_first;
  // The optimistic token belongs to the client's first choice.
  if (fields.ntlm_first && !fields.token.empty()) return challenge(fields.token);
  state_ = State::mechanism_chosen;
  const NegState answer = mic_required_ ? NegState::request_mic : NegState::incomplete;
  return {Outcome::more, Verdict::accepted, response(answer, true, {}, {})};
}

SpnegoAcceptor::Step SpnegoAcceptor::later(ByteView token) {
  if (raw_) return finish(token, {});
  // A client may go on with bare NTLM once the mechanism is agreed.
  if (is_ntlm(token)) {
    return state_ == State::mechanism_chosen ? challenge(token) : finish(token, {});
  }
  DerReader outer(token);
  DerReader sequence(outer.take(context(1)));
  const Fields fields = read_fields(sequence.take(kSequence), false);
  if (outer.failed() || sequence.failed() || !fields.good) return {};
  if (state_ == State::mechanism_chosen) return challenge(fields.token);
  return finish(fields.token, fields.mic);
}

SpnegoAcceptor::Step SpnegoAcceptor::challenge(ByteView negotiate) {
  const Bytes answer = ntlm_.challenge(negotiate);
  if (answer.empty()) return {};
  state_ = State::challenged;
  return {Outcome::more, Verdict::accepted,
          raw_ ? answer : response(NegState::incomplete, true, answer, {})};
}

SpnegoAcceptor::Step SpnegoAcceptor::finish(ByteView authenticate, ByteView mechanism_mic) {
  state_ = State::finished;
  const Verdict verdict = ntlm_.authenticate(authenticate);
  if (verdict == Verdict::refused || verdict == Verdict::malformed) {
    return {Outcome::failed, verdict, {}};
  }
  if (raw_) return {Outcome::done, verdict, {}};
  Bytes mic;
  if (verdict == Verdict::accepted) {
    if (mechanism_mic.empty() ? mic_required_ : !ntlm_.check_mic(mechanisms_, mechanism_mic)) {
      return {Outcome::failed, Verdict::refused, {}};
    }
    if (!mechanism_mic.empty()) mic = ntlm_.make_mic(mechanisms_);
  }
  return {Outcome::done, verdict, response(NegState::completed, false, {}, mic)};
}

}  // namespace lockstep::wire::smb2::ntlm
