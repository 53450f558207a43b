//! The messages of `grpc.health.v1`, as its specification numbers their fields.

use std::collections::BTreeMap;

use crate::message::{Shape, ShapeKind, Variant};
use crate::protobuf::json::{Enum, EnumNames, Msg, Str};
use crate::protobuf::standard_message;

/// Whose health is asked for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct CheckRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// The health of one.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct CheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub(super) status: i32,
}

/// Asks for the health of all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct ListRequest {}

/// The health of all.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ListResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) statuses: BTreeMap<String, CheckResponse>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    /// Of a name that is watched and not known.
    ServiceUnknown = 3,
}

impl From<bool> for ServingStatus {
    fn from(serving: bool) -> Self {
        if serving { Self::Serving } else { Self::NotServing }
    }
}

/// The names of [`ServingStatus`], by number.
pub(super) const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

impl EnumNames for ServingStatus {
    const SHAPE: &'static Shape = &Shape {
        name: "grpc.health.v1.HealthCheckResponse.ServingStatus",
        doc: "",
        kind: ShapeKind::Enum(&[
            Variant { name: STATUSES[0], doc: "", fields: &[] },
            Variant { name: STATUSES[1], doc: "", fields: &[] },
            Variant { name: STATUSES[2], doc: "", fields: &[] },
            Variant { name: STATUSES[3], doc: "", fields: &[] },
        ]),
    };

    fn name(number: i32) -> Option<&'static str> {
        usize::try_from(number).ok().and_then(|index| STATUSES.get(index).copied())
    }

    fn number(name: &str) -> Option<i32> {
        (0..).zip(STATUSES).find(|(_, known)| *known == name).map(|(number, _)| number)
    }
}

standard_message!(CheckRequest is "grpc.health.v1.HealthCheckRequest", plain Str: service "service" "service");
standard_message!(CheckResponse is "grpc.health.v1.HealthCheckResponse", plain Enum<ServingStatus>: status "status" "status");
standard_message!(ListRequest is "grpc.health.v1.HealthListRequest");
standard_message!(ListResponse is "grpc.health.v1.HealthListResponse", map Msg<CheckResponse>: statuses "statuses" "statuses");

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    proptest! {
        #[test]
        fn any_message_comes_back_from_json_and_protobuf(
            service in any::<String>(),
            statuses in btree_map(any::<String>(), -1..6_i32, 0..4),
        ) {
            let request = CheckRequest { service };
            let json = serde_json::to_string(&request).unwrap();
            prop_assert_eq!(serde_json::from_str::<CheckRequest>(&json).unwrap(), request);
            let statuses = statuses.into_iter().map(|(name, status)| (name, CheckResponse { status }));
            let answer = ListResponse { statuses: statuses.collect() };
            prop_assert_eq!(&ListResponse::decode(&answer.encode_to_vec()[..]).unwrap(), &answer);
            let json = serde_json::to_string(&answer).unwrap();
            prop_assert_eq!(serde_json::from_str::<ListResponse>(&json).unwrap(), answer);
        }
    }
}
