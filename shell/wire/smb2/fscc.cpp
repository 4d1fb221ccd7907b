#include "shell/wire/smb2/fscc.hpp"

namespace lockstep::wire::smb2 {
namespace {
constexpr std::int64_t kSecondsFrom1601 = 11'644'473'600;
constexpr std::int64_t kTicksPerSecond = 10'000'000;
constexpr std::int64_t kSecondsMax = INT64_MAX / kTicksPerSecond - kSecondsFrom1601 - 1;
}  // namespace

std::uint64_t to_file_time(files::TimeSpec time) {
  if (time.seconds < -kSecondsFrom1601) return 0;
  if (time.seconds > kSecondsMax) return static_cast<std::uint64_t>(INT64_MAX);
  return static_cast<std::uint64_t>((time.seconds + kSecondsFrom1601) * kTicksPerSecond +
                                    time.nanos / 100);
}

files::TimeSpec from_file_time(std::uint64_t time) {
  return {static_cast<std::int64_t>(time / kTicksPerSecond) - kSecondsFrom1601,
          static_cast<std::uint32_t>(time % kTicksPerSecond) * 100};
}

std::uint32_t shown_attributes(const files::Attributes& attributes, const files::DosInfo& dos) {
  const bool directory = attributes.type == files::FileType::directory;
  std::uint32_t shown = dos.attributes & attribute::kStored;
  if (directory) shown |= attribute::kDirectory;
  if (!directory && dos.attributes == 0) shown |= attribute::kArchive;
  return shown == 0 ? attribute::kNormal : shown;
}

files::TimeSpec shown_creation(const files::Attributes& attributes, const files::DosInfo& dos) {
  return dos.created.value_or(attributes.created);
}

std::uint64_t shown_size(const files::Attributes& attributes) {
  return attributes.type == files::FileType::directory ? 0 : attributes.size;
}

std::uint64_t shown_allocation(const files::Attributes& attributes) {
  return attributes.type == files::FileType::directory ? 0 : attributes.allocated;
}

void write_times(LittleWriter& out, const files::Attributes& attributes,
                 const files::DosInfo& dos) {
  out.u64(to_file_time(shown_creation(attributes, dos)));
  out.u64(to_file_time(attributes.accessed));
  out.u64(to_file_time(attributes.modified));
  out.u64(to_file_time(attributes.changed));
}

}  // namespace lockstep::wire::smb2
