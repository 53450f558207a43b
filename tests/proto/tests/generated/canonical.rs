//! The JSON of generated messages is that of the reference: the same documents are read as the same
//! messages, the same are refused, and what is written is the same.

use crate::oracle::{Generated, normal, parsed, read, reference_read, reference_write, write};
use micro_proto_tests::all::conformance::legacy::Legacy;
use micro_proto_tests::all::conformance::v1::{
    Choice, Lists, Maps, Names, Nothing, Option as Prelude, Optionals, Scalars, Shared, Tree, WellKnown,
    Wide, Wrappers,
};
use micro_proto_tests::all::shop::v1::Order;

/// Both read the document as the same message, both write that in the same way, and what is written
/// is read as the same message again.
#[track_caller]
pub(crate) fn same<T: Generated>(documents: &[&str]) {
    for json in documents {
        let ours: T = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        let reference: T = reference_read(json).unwrap_or_else(|error| panic!("reference, {json}: {error}"));
        // Bytes, because NaN is not equal to itself.
        assert_eq!(bytes(&ours), bytes(&reference), "{json}");
        let written = write(&ours).unwrap();
        assert_eq!(parsed(&written), normal(reference_write(&ours).unwrap()), "{json}");
        assert_eq!(bytes(&read::<T>(&written).unwrap()), bytes(&ours), "{written}");
    }
}

/// Both refuse the document.
#[track_caller]
pub(crate) fn refused<T: Generated>(documents: &[&str]) {
    for json in documents {
        assert!(reference_read::<T>(json).is_err(), "the reference takes {json}");
        let error = read::<T>(json).err().unwrap_or_else(|| panic!("{json} is taken"));
        assert_eq!(error.code(), micro::Code::InvalidArgument, "{json}");
    }
}

fn bytes<T: Generated>(message: &T) -> Vec<u8> {
    // Maps of more than one entry would not be in order; the documents here have none.
    message.encode_to_vec()
}

#[test]
fn scalars() {
    same::<Scalars>(&[
        "{}",
        r#"{"double":1.5,"float":-2.5,"int32":-3,"int64":"-4","uint32":5,"uint64":"6","sint32":-7,"sint64":"-8"}"#,
        r#"{"fixed32":9,"fixed64":"10","sfixed32":-11,"sfixed64":"-12","bool":true,"string":"ä\n","bytes":"AQI="}"#,
        r#"{"int64":4,"uint64":6,"sint64":-8,"fixed64":10,"sfixed64":-12}"#,
        r#"{"int32":"3","uint32":"5","fixed32":"9","double":"1.5","float":"2.5"}"#,
        r#"{"int32":1.0,"int64":1e2,"uint32":2e0,"uint64":100.0}"#,
        r#"{"int32":2147483647,"int64":"9223372036854775807","uint32":4294967295,"uint64":"18446744073709551615"}"#,
        r#"{"int32":-2147483648,"int64":"-9223372036854775808"}"#,
        r#"{"double":"NaN","float":"NaN"}"#,
        r#"{"double":"Infinity","float":"Infinity"}"#,
        r#"{"double":"-Infinity","float":"-Infinity"}"#,
        r#"{"double":1.7976931348623157e308,"float":3.4e38}"#,
        r#"{"double":5e-324,"float":1e-45}"#,
        r#"{"bytes":"+/8="}"#,
        r#"{"bytes":"+/8"}"#,
        r#"{"bytes":"-_8="}"#,
        r#"{"bytes":"-_8"}"#,
        r#"{"bytes":""}"#,
        r#"{"double":0,"int32":0,"int64":"0","bool":false,"string":"","color":"COLOR_UNSPECIFIED"}"#,
        r#"{"double":null,"float":null,"int32":null,"int64":null,"bool":null,"string":null,"bytes":null,"color":null}"#,
    ]);
    refused::<Scalars>(&[
        "null",
        "[]",
        "1",
        r#""""#,
        "{",
        r#"{"int32":1} x"#,
        r#"{"int32":2147483648}"#,
        r#"{"int32":-2147483649}"#,
        r#"{"int32":0.5}"#,
        r#"{"int32":"0.5"}"#,
        r#"{"int32":"x"}"#,
        r#"{"int32":""}"#,
        r#"{"int32":" 1"}"#,
        r#"{"int32":"1 "}"#,
        r#"{"int32":true}"#,
        r#"{"int32":[1]}"#,
        r#"{"int32":{}}"#,
        r#"{"uint32":-1}"#,
        r#"{"uint32":4294967296}"#,
        r#"{"int64":"9223372036854775808"}"#,
        r#"{"uint64":"-1"}"#,
        r#"{"uint64":"18446744073709551616"}"#,
        r#"{"double":"x"}"#,
        r#"{"double":true}"#,
        r#"{"float":3.5e38}"#,
        r#"{"float":-3.5e38}"#,
        r#"{"bool":1}"#,
        r#"{"bool":"true"}"#,
        r#"{"string":1}"#,
        r#"{"bytes":"!"}"#,
        r#"{"bytes":1}"#,
        r#"{"color":true}"#,
        r#"{"color":2147483648}"#,
    ]);
}

#[test]
fn enums() {
    same::<Scalars>(&[
        r#"{"color":"COLOR_RED"}"#,
        r#"{"color":"COLOR_CRIMSON"}"#,
        r#"{"color":1}"#,
        r#"{"color":-2}"#,
        r#"{"color":99}"#,
        r#"{"color":"COLOR_OLD"}"#,
    ]);
    assert_eq!(
        write(&read::<Scalars>(r#"{"color":"COLOR_CRIMSON"}"#).unwrap()).unwrap(),
        r#"{"color":"COLOR_RED"}"#
    );
    assert_eq!(write(&read::<Scalars>(r#"{"color":99}"#).unwrap()).unwrap(), r#"{"color":99}"#);
}

#[test]
fn fields_with_presence_are_written_when_set_whatever_they_hold() {
    same::<Optionals>(&[
        "{}",
        r#"{"double":0,"float":0,"int32":0,"int64":"0","uint32":0,"uint64":"0","bool":false,"string":"","bytes":"","color":"COLOR_UNSPECIFIED","message":{}}"#,
        r#"{"double":null,"int32":null,"string":null,"color":null,"message":null}"#,
        r#"{"message":{"int32":1}}"#,
    ]);
    let all = r#"{"double":0.0,"int64":"0","bool":false,"string":"","bytes":"","color":"COLOR_UNSPECIFIED","message":{}}"#;
    assert_eq!(write(&read::<Optionals>(all).unwrap()).unwrap(), all);
}

#[test]
fn lists() {
    same::<Lists>(&[
        "{}",
        r#"{"doubles":[1.5,"NaN","-Infinity"],"floats":[2.5],"int32s":[1,"2",3.0],"int64s":["4",5],"uint64s":[6,"7"]}"#,
        r#"{"bools":[true,false],"strings":["","x"],"bytesList":["","AQ=="],"colors":["COLOR_RED",0,99]}"#,
        r#"{"messages":[{},{"int32":1}],"bytes_list":["AQ"]}"#,
        r#"{"int32s":[],"messages":[]}"#,
        r#"{"int32s":null,"messages":null,"strings":null}"#,
    ]);
    refused::<Lists>(&[
        r#"{"int32s":[1,null]}"#,
        r#"{"strings":[null]}"#,
        r#"{"messages":[null]}"#,
        r#"{"colors":[null]}"#,
        r#"{"int32s":1}"#,
        r#"{"int32s":{}}"#,
        r#"{"int32s":"1"}"#,
        r#"{"bytesList":"AQ=="}"#,
    ]);
}

#[test]
fn maps() {
    same::<Maps>(&[
        "{}",
        r#"{"strings":{"":"x"},"numbers":{"-1":"5"},"large":{"18446744073709551615":"NaN"},"flags":{"true":"AQ=="}}"#,
        r#"{"colors":{"a":"COLOR_RED"},"messages":{"a":{"int32":1}},"times":{"-9":"1.5s"},"values":{"a":null}}"#,
        r#"{"flags":{"false":""},"numbers":{"0":0},"colors":{"a":99}}"#,
        r#"{"strings":{},"messages":null}"#,
    ]);
    refused::<Maps>(&[
        r#"{"strings":{"a":null}}"#,
        r#"{"messages":{"a":null}}"#,
        r#"{"colors":{"a":null}}"#,
        r#"{"numbers":{"x":1}}"#,
        r#"{"numbers":{"":1}}"#,
        r#"{"numbers":{"1.5":1}}"#,
        r#"{"numbers":{"2147483648":1}}"#,
        r#"{"large":{"-1":1}}"#,
        r#"{"flags":{"1":""}}"#,
        r#"{"flags":{"True":""}}"#,
        r#"{"strings":[]}"#,
        r#"{"strings":"x"}"#,
    ]);
}

#[test]
fn oneofs() {
    same::<Choice>(&[
        "{}",
        r#"{"word":""}"#,
        r#"{"word":"x","after":"y"}"#,
        r#"{"number":"0"}"#,
        r#"{"raw":""}"#,
        r#"{"color":0}"#,
        r#"{"nested":{}}"#,
        r#"{"nested":{"text":"x","deeper":{"size":"SIZE_SMALL"}}}"#,
        r#"{"time":"1970-01-01T00:00:00Z"}"#,
        r#"{"nothing":null}"#,
        r#"{"nothing":"NULL_VALUE"}"#,
        r#"{"empty":{}}"#,
        r#"{"value":null}"#,
        r#"{"value":[1]}"#,
        r#"{"wrapped":"5"}"#,
        r#"{"again":{"again":{"word":"deep"}}}"#,
        r#"{"old":true}"#,
        r#"{"word":null}"#,
        r#"{"word":null,"number":"1"}"#,
        r#"{"number":"1","word":null}"#,
        r#"{"number":"1","nested":null,"wrapped":null}"#,
    ]);
    refused::<Choice>(&[
        r#"{"word":"x","number":"1"}"#,
        r#"{"word":"x","nothing":null}"#,
        r#"{"value":null,"word":"x"}"#,
        r#"{"nested":{},"again":{}}"#,
    ]);
}

#[test]
fn well_known_types() {
    same::<WellKnown>(&[
        "{}",
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}"#,
        r#"{"any":{"value":{"a":[1]},"@type":"type.googleapis.com/google.protobuf.Struct"}}"#,
        r#"{"duration":"0s","empty":{},"mask":"","list":[],"struct":{},"timestamp":"1970-01-01T00:00:00Z"}"#,
        r#"{"duration":"1.5s"}"#,
        r#"{"duration":"-1.000000001s"}"#,
        r#"{"duration":"315576000000s"}"#,
        r#"{"duration":"-0.5s"}"#,
        r#"{"mask":"a,b.cD,eFG"}"#,
        r#"{"list":[null,true,1,"x",[],{}]}"#,
        r#"{"struct":{"a":null,"b":{"c":[1.5]}}}"#,
        r#"{"timestamp":"2024-02-29T23:59:59.999999999Z"}"#,
        r#"{"timestamp":"1969-12-31T23:59:59.5Z"}"#,
        r#"{"timestamp":"0001-01-01T00:00:00Z"}"#,
        r#"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#,
        r#"{"timestamp":"2024-01-01T00:00:00+05:30"}"#,
        r#"{"timestamp":"2024-01-01T00:00:00.1-08:00"}"#,
        r#"{"value":null}"#,
        r#"{"value":1}"#,
        r#"{"value":"x"}"#,
        r#"{"value":{"a":[true]}}"#,
        r#"{"null":null}"#,
        r#"{"maybeNull":null}"#,
        r#"{"timestamps":["1970-01-01T00:00:01Z"],"values":[null,1],"nulls":[null,null]}"#,
        r#"{"any":null,"duration":null,"empty":null,"mask":null,"list":null,"struct":null,"timestamp":null}"#,
        r#"{"timestamps":null}"#,
    ]);
    refused::<WellKnown>(&[
        r#"{"duration":"1"}"#,
        r#"{"duration":"1.5"}"#,
        r#"{"duration":1}"#,
        r#"{"duration":"315576000001s"}"#,
        r#"{"duration":"-315576000001s"}"#,
        r#"{"timestamp":"2024-01-01"}"#,
        r#"{"timestamp":"2024-01-01T00:00:00"}"#,
        r#"{"timestamp":"2024-01-01t00:00:00Z"}"#,
        r#"{"timestamp":"2024-01-01T00:00:00z"}"#,
        r#"{"timestamp":"2024-02-30T00:00:00Z"}"#,
        r#"{"timestamp":"0000-01-01T00:00:00Z"}"#,
        r#"{"timestamp":"10000-01-01T00:00:00Z"}"#,
        r#"{"timestamp":0}"#,
        r#"{"timestamps":[null]}"#,
        r#"{"mask":"a_b"}"#,
        r#"{"mask":["a"]}"#,
        r#"{"list":{}}"#,
        r#"{"struct":[]}"#,
        r#"{"struct":"x"}"#,
        r#"{"empty":[]}"#,
        r#"{"any":{"value":"1s"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":1}}"#,
        r#"{"any":"x"}"#,
    ]);
}

#[test]
fn wrappers() {
    same::<Wrappers>(&[
        "{}",
        r#"{"double":0,"float":0,"int64":"0","uint64":"0","int32":0,"uint32":0,"bool":false,"string":"","bytes":""}"#,
        r#"{"double":1.5,"float":2.5,"int64":3,"uint64":"4","int32":"5","uint32":6,"bool":true,"string":"x","bytes":"AQ"}"#,
        r#"{"double":null,"int64":null,"bool":null,"string":null,"bytes":null}"#,
        r#"{"int64s":["1",2,0]}"#,
    ]);
    refused::<Wrappers>(&[
        r#"{"int64":{"value":1}}"#,
        r#"{"int64s":[null]}"#,
        r#"{"bool":"true"}"#,
        r#"{"uint32":-1}"#,
    ]);
}

#[test]
fn names() {
    same::<Names>(&[
        r#"{"snakeCase":"a","camelCase":"b","somethingElse":"c","type":"d","self":"e","Leading":6,"number2Part":7,"old":"x"}"#,
        r#"{"snake_case":"a","with_json_name":"c","_leading":6,"number2_part":7}"#,
        r#"{"unknown":1,"alsoUnknown":{"a":[{}]},"snakeCase":"a"}"#,
        r#"{"withJsonName":"not its name"}"#,
        r#"{"other":"a","another":"b"}"#,
        r#"{"swapped":"a"}"#,
        r#"{"":1}"#,
        r#"{"snake\u005fcase":"escaped"}"#,
    ]);
    let names = read::<Names>(r#"{"snake_case":"a","with_json_name":"c","number2_part":7}"#).unwrap();
    assert_eq!(write(&names).unwrap(), r#"{"snakeCase":"a","somethingElse":"c","number2Part":7}"#);
}

#[test]
fn messages_in_messages() {
    same::<Tree>(&[
        r#"{"left":{"right":{"value":1}},"more":[{},{"value":2}],"named":{"x":{"value":3}},"value":4}"#,
        r#"{"left":null}"#,
    ]);
    same::<Nothing>(&["{}", r#"{"unknown":1}"#]);
    same::<Wide>(&[r#"{"f0":1,"f63":2,"f64":3,"f65":4}"#]);
    same::<Shared>(&[r#"{"bytes":"AQI="}"#]);
    same::<Prelude>(&[
        r#"{"some":"x","result":{"ok":[{"some":"y"}]},"string":"z"}"#,
        r#"{"box":{"inner":{"a":{}}}}"#,
    ]);
    same::<Order>(&[
        r#"{"id":"1","total":{"currency":"CURRENCY_EUR","units":"5"},"accepted":["CURRENCY_EUR"],"page":{"size":1,"token":{"value":"AQ=="}},"byItem":{"a":{}},"unnamed":{"text":"x"}}"#,
    ]);
}

#[test]
fn proto2() {
    same::<Legacy>(&[
        r#"{"name":"","count":3}"#,
        r#"{"name":"x","count":0,"id":"5","kind":"KIND_B","packed":[1,2],"part":{"text":"x"}}"#,
    ]);
}
