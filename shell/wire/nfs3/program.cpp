#include "shell/wire/nfs3/program.hpp"

#include <array>

#include "shell/wire/nfs3/procedures.hpp"

namespace lockstep::wire::nfs3 {
namespace {

struct Row {
  Procedure run;
  /// What the core may hold is joined by its repeats (semantics section 5); what changes anything
  /// is kept, with a JUKEBOX too: a late duplicate of that call must not run.
  rpc::Repeat repeat;
};

using enum rpc::Repeat;
constexpr std::array<Row, 22> kProcedures{{
    {null, run},         //  0
    {getattr, join},     //  1
    {setattr, keep},     //  2
    {lookup, run},       //  3
    {access, run},       //  4
    {readlink, run},     //  5
    {read, join},        //  6
    {write, keep},       //  7
    {create, keep},      //  8
    {mkdir, keep},       //  9
    {symlink, keep},     // 10
    {mknod, keep},       // 11
    {remove, keep},      // 12
    {rmdir, keep},       // 13
    {rename, keep},      // 14
    {link, keep},        // 15
    {readdir, run},      // 16
    {readdirplus, run},  // 17
    {fsstat, run},       // 18
    {fsinfo, run},       // 19
    {pathconf, run},     // 20
    {commit, run},       // 21
}};

}  // namespace

Task<rpc::Reply> null(Service& service, const rpc::CallContext& call) {
  (void)service, (void)call;
  co_return rpc::Reply::empty();
}

bool Program::has_procedure(std::uint32_t version, std::uint32_t procedure) const {
  (void)version;
  return procedure < kProcedures.size();
}

rpc::Repeat Program::repeat(std::uint32_t version, std::uint32_t procedure) const {
  (void)version;
  return kProcedures[procedure].repeat;
}

Task<rpc::Reply> Program::call(const rpc::CallContext& call) {
  return kProcedures[call.header.procedure].run(service_, call);
}

}  // namespace lockstep::wire::nfs3
