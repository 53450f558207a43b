# To be sourced in the root: puts a grpcurl of its own on the path, below target/.
grpcurl_version=v1.9.4
grpcurl=$PWD/target/tools/grpcurl-$grpcurl_version
if [[ ! -x $grpcurl/grpcurl ]]; then
    echo "installing grpcurl $grpcurl_version"
    GOBIN=$grpcurl go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version"
fi
PATH=$grpcurl:$PATH
