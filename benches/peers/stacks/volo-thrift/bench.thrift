// The contract of the benchmark in thrift: the same message as in bench.proto.
namespace rs peers

struct Note {
    1: required string name,
    2: required binary payload,
}

service Bench {
    Note Echo(1: Note note),
}
