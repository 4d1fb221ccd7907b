// The state of the server in words: what the control program, the HTTP page and the log show. Every
// report is JSON; `tables.hpp` makes the control program's tables from it.
//
// One entry of `locks` (the others are alike): protocol, client, owner, kind (lock, lease, oplock,
// delegation), range or rights, mode, since (UTC) and age_seconds, and for breaks their deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/event.hpp"
#include "core/view.hpp"

namespace lockstep::admin {

using Json = nlohmann::ordered_json;

/// How ids and the machine's times become words.
struct Lens {
  core::Nanos now = 0;                            ///< on the machine's clock
  std::int64_t wall_nanos = 0;                    ///< the same instant, since 1970
  std::function<std::string(core::FileId)> path;  ///< for people; empty when it is not known
  std::map<core::ClientId, core::ClientView> clients;
};

/// "0-99", "10-end", "empty at 7".
std::string text_of(core::Range range);
/// Text where it is printable, else hexadecimal; an NLM owner is its svid and its handle.
std::string text_of_owner(core::Protocol protocol, const std::string& owner);
std::string text_of_file(core::FileId file, const Lens& lens);
/// "2024-06-01T12:00:00Z".
std::string text_of_time(std::int64_t wall_nanos);

Json locks_of(const std::vector<core::FileView>& files, const Lens& lens);
Json opens_of(const std::vector<core::FileView>& files, const Lens& lens);
Json waiters_of(const std::vector<core::FileView>& files, const Lens& lens);
Json clients_of(const Lens& lens);
Json grace_of(const core::StateView& state, const Lens& lens);
/// Everything about one file.
Json file_of(const core::FileView& file, const Lens& lens);

/// What a request would meet now.
struct Question {
  std::string what;  ///< "NFS write", ...
  core::Explanation answer;
};
Json answer_of(const Question& question, const Lens& lens);
/// The requests that `explain PATH` asks about, as clients that hold nothing would make them: NFS
/// read, write, remove, rename and lock, SMB open.
std::vector<std::pair<std::string, core::EventBody>> questions_about(core::FileId file,
                                                                     core::ClientId over_nfs,
                                                                     core::ClientId over_smb);

}  // namespace lockstep::admin
