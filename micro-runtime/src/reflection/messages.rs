//! The messages of `grpc.reflection.v1`, as its specification numbers their fields. Those of
//! `v1alpha` are the same.

use bytes::Bytes;

use crate::protobuf::json::{Base64, Int32, Msg, Str};
use crate::protobuf::standard_message;

/// A question.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Request {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(oneof = "Question", tags = "3, 4, 5, 6, 7")]
    pub(super) message_request: Option<Question>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Question {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(message, tag = "5")]
    FileContainingExtension(ExtensionRequest),
    #[prost(string, tag = "6")]
    AllExtensionNumbersOfType(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ExtensionRequest {
    #[prost(string, tag = "1")]
    pub(super) containing_type: String,
    #[prost(int32, tag = "2")]
    pub(super) extension_number: i32,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Response {
    #[prost(string, tag = "1")]
    pub(super) valid_host: String,
    #[prost(message, optional, tag = "2")]
    pub(super) original_request: Option<Request>,
    #[prost(oneof = "Answer", tags = "4, 5, 6, 7")]
    pub(super) message_response: Option<Answer>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Answer {
    #[prost(message, tag = "4")]
    Files(FileDescriptorResponse),
    #[prost(message, tag = "5")]
    Extensions(ExtensionNumberResponse),
    #[prost(message, tag = "6")]
    Services(ListServiceResponse),
    #[prost(message, tag = "7")]
    Error(ErrorResponse),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct FileDescriptorResponse {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) file_descriptor_proto: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ExtensionNumberResponse {
    #[prost(string, tag = "1")]
    pub(super) base_type_name: String,
    #[prost(int32, repeated, tag = "2")]
    pub(super) extension_number: Vec<i32>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ListServiceResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) service: Vec<ServiceResponse>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ServiceResponse {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ErrorResponse {
    #[prost(int32, tag = "1")]
    pub(super) error_code: i32,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

standard_message!(
    Request is "grpc.reflection.v1.ServerReflectionRequest",
    plain Str: host "host" "host";
    one of message_request: Question {
        FileByFilename Str: "fileByFilename" "file_by_filename",
        FileContainingSymbol Str: "fileContainingSymbol" "file_containing_symbol",
        FileContainingExtension Msg<ExtensionRequest>: "fileContainingExtension" "file_containing_extension",
        AllExtensionNumbersOfType Str: "allExtensionNumbersOfType" "all_extension_numbers_of_type",
        ListServices Str: "listServices" "list_services"
    }
);
standard_message!(
    ExtensionRequest is "grpc.reflection.v1.ExtensionRequest",
    plain Str: containing_type "containingType" "containing_type",
    plain Int32: extension_number "extensionNumber" "extension_number",
);
standard_message!(
    Response is "grpc.reflection.v1.ServerReflectionResponse",
    plain Str: valid_host "validHost" "valid_host",
    optional Msg<Request>: original_request "originalRequest" "original_request";
    one of message_response: Answer {
        Files Msg<FileDescriptorResponse>: "fileDescriptorResponse" "file_descriptor_response",
        Extensions Msg<ExtensionNumberResponse>: "allExtensionNumbersResponse" "all_extension_numbers_response",
        Services Msg<ListServiceResponse>: "listServicesResponse" "list_services_response",
        Error Msg<ErrorResponse>: "errorResponse" "error_response"
    }
);
standard_message!(
    FileDescriptorResponse is "grpc.reflection.v1.FileDescriptorResponse",
    list Base64: file_descriptor_proto "fileDescriptorProto" "file_descriptor_proto",
);
standard_message!(
    ExtensionNumberResponse is "grpc.reflection.v1.ExtensionNumberResponse",
    plain Str: base_type_name "baseTypeName" "base_type_name",
    list Int32: extension_number "extensionNumber" "extension_number",
);
standard_message!(
    ListServiceResponse is "grpc.reflection.v1.ListServiceResponse",
    list Msg<ServiceResponse>: service "service" "service",
);
standard_message!(ServiceResponse is "grpc.reflection.v1.ServiceResponse", plain Str: name "name" "name");
standard_message!(
    ErrorResponse is "grpc.reflection.v1.ErrorResponse",
    plain Int32: error_code "errorCode" "error_code",
    plain Str: error_message "errorMessage" "error_message",
);
