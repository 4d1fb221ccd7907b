// What CREATE, MKDIR, SYMLINK and MKNOD have in common.
#pragma once

#include <string>

#include "shell/wire/nfs3/service.hpp"

namespace lockstep::wire::nfs3 {

/// Asks the core for a new entry in `dir`: directory leases and delegations of others end first.
Task<Gate> enter_directory(Service& service, const rpc::CallContext& call, Subject dir);

/// The attributes that creation itself does not set: owner, group, times, a size. Ids are for root
/// to give; another caller's are left out, as every NFS server does, rather than refused.
Task<Status> finish_attributes(Subject dir, files::NodeRef node, files::SetAttributes wanted,
                               bool mode_is_set);

/// The reply: handle and attributes of the new object, wcc_data of its directory.
Task<rpc::Reply> reply_created(Service& service, Subject dir, Status status, files::NodeRef node,
                               Prior prior);

/// NOTDIR when the handle is none of a directory, or what is wrong with the name.
Status check_new_entry(const Subject& dir, const std::string& name);

}  // namespace lockstep::wire::nfs3
