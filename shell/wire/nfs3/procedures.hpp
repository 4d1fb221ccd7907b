// The 22 procedures of NFSv3 (RFC 1813 3.3), one function each; program.cpp has the table.
#pragma once

#include "shell/wire/nfs3/service.hpp"

namespace lockstep::wire::nfs3 {

using Procedure = Task<rpc::Reply> (*)(Service&, const rpc::CallContext&);

Task<rpc::Reply> null(Service& service, const rpc::CallContext& call);

// attributes.cpp
Task<rpc::Reply> getattr(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> setattr(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> access(Service& service, const rpc::CallContext& call);
// lookup.cpp
Task<rpc::Reply> lookup(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> readlink(Service& service, const rpc::CallContext& call);
// io.cpp
Task<rpc::Reply> read(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> write(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> commit(Service& service, const rpc::CallContext& call);
// create.cpp, make.cpp
Task<rpc::Reply> create(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> mkdir(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> symlink(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> mknod(Service& service, const rpc::CallContext& call);
// remove.cpp
Task<rpc::Reply> remove(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> rmdir(Service& service, const rpc::CallContext& call);
// rename.cpp
Task<rpc::Reply> rename(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> link(Service& service, const rpc::CallContext& call);
// readdir.cpp
Task<rpc::Reply> readdir(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> readdirplus(Service& service, const rpc::CallContext& call);
// fsinfo.cpp
Task<rpc::Reply> fsstat(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> fsinfo(Service& service, const rpc::CallContext& call);
Task<rpc::Reply> pathconf(Service& service, const rpc::CallContext& call);

}  // namespace lockstep::wire::nfs3
