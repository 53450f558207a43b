//! `grpc.reflection.v1.ServerReflection`, and the same under its older name.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use futures_util::StreamExt as _;
use prost_types::FileDescriptorProto;
use prost_types::field_descriptor_proto::Type;
use tokio_util::sync::CancellationToken;

use super::answer::{Asker, Known};
use super::describe::describe;
use super::files::Files;
use super::messages::{Request, Response};
use crate::endpoint::{Binder, MethodDescriptor, ServiceDescriptor, returning};
use crate::error::Error;
use crate::health;
use crate::protobuf::descriptor::{self, Of, field, message, oneof, repeated};
use crate::stream::Streaming;

const DOC: &str = "What is served here, and what its messages look like.";

macro_rules! service {
    ($method:ident, $service:ident, $name:literal) => {
        static $method: MethodDescriptor = MethodDescriptor::new::<Streaming<Request>, Streaming<Response>>(
            $name,
            "ServerReflectionInfo",
            concat!("/", $name, "/ServerReflectionInfo"),
            DOC,
        );
        static $service: ServiceDescriptor = ServiceDescriptor::new($name, DOC, &[$method]);
    };
}

service!(V1, SERVICE_V1, "grpc.reflection.v1.ServerReflection");
service!(V1ALPHA, SERVICE_V1ALPHA, "grpc.reflection.v1alpha.ServerReflection");

/// Serves reflection on `services`, on what is in the binder already, and on itself. Its streams end
/// when the server is `stopping`.
pub(crate) fn bind(
    services: &[&'static ServiceDescriptor],
    stopping: &CancellationToken,
    binder: &mut Binder,
) {
    binder.service(&SERVICE_V1);
    binder.service(&SERVICE_V1ALPHA);
    let all = services.iter().copied().chain(binder.services()).collect();
    let reflection = Reflection { services: all, known: Arc::default(), stopping: stopping.clone() };
    for method in [&V1, &V1ALPHA] {
        let reflection = reflection.clone();
        binder.endpoint(
            method,
            returning(move |_, questions: Streaming<Request>| {
                let answers = reflection.answers(questions);
                async move { Ok::<_, Error>(answers) }
            }),
        );
    }
}

#[derive(Clone)]
struct Reflection {
    services: Arc<[&'static ServiceDescriptor]>,
    /// Put together for the first one who asks.
    known: Arc<OnceLock<Known>>,
    stopping: CancellationToken,
}

impl Reflection {
    fn answers(&self, questions: Streaming<Request>) -> Streaming<Response> {
        let mut asker = Asker::default();
        let this = self.clone();
        let answers = questions.map(move |question| {
            let known = this.known.get_or_init(|| known(&this.services));
            Ok(asker.answer(known, question))
        });
        Streaming::from_stream(answers.take_until(self.stopping.clone().cancelled_owned()))
    }
}

fn known(services: &[&'static ServiceDescriptor]) -> Known {
    let mut files = Files::default();
    let mut seen = HashSet::new();
    for service in services {
        let bodies = service.methods.iter().flat_map(|method| [method.request, method.response]);
        let sets = service.descriptors.into_iter().chain(bodies.filter_map(|body| body.descriptors));
        for set in sets.filter(|set| seen.insert(set.as_ptr())) {
            if let Err(error) = files.add_set(set) {
                tracing::warn!(service = service.name, %error, "the descriptors of the service cannot be read, and reflection does not tell them");
            }
        }
    }
    for file in [health::file(), file("v1"), file("v1alpha")] {
        let package = file.package().to_owned();
        let declared = file
            .service
            .iter()
            .any(|service| files.of_symbol(&format!("{package}.{}", service.name())).is_some());
        // The user may have compiled it, from any folder.
        if !declared {
            files.add(&file);
        }
    }
    let others = services
        .iter()
        .copied()
        .filter(|service| service.descriptors.is_none() && files.of_symbol(service.name).is_none());
    let others: Vec<_> = others.collect();
    for file in describe(&others, &files) {
        files.add(&file);
    }
    let mut services: Vec<_> = services.iter().map(|service| service.name.to_owned()).collect();
    services.sort_unstable();
    services.dedup();
    Known { files, services }
}

/// What the service looks like to itself.
fn file(version: &str) -> FileDescriptorProto {
    let package = format!("grpc.reflection.{version}");
    let of = |name: &str| Of::message(format!("{package}.{name}"));
    let string = Of::Scalar(Type::String);
    let int = Of::Scalar(Type::Int32);

    let mut request = message("ServerReflectionRequest", vec![field("host", 1, string.clone())]);
    let questions = vec![
        field("file_by_filename", 3, string.clone()),
        field("file_containing_symbol", 4, string.clone()),
        field("file_containing_extension", 5, of("ExtensionRequest")),
        field("all_extension_numbers_of_type", 6, string.clone()),
        field("list_services", 7, string.clone()),
    ];
    oneof(&mut request, "message_request", questions);
    let fields = vec![
        field("valid_host", 1, string.clone()),
        field("original_request", 2, of("ServerReflectionRequest")),
    ];
    let mut response = message("ServerReflectionResponse", fields);
    let answers = vec![
        field("file_descriptor_response", 4, of("FileDescriptorResponse")),
        field("all_extension_numbers_response", 5, of("ExtensionNumberResponse")),
        field("list_services_response", 6, of("ListServiceResponse")),
        field("error_response", 7, of("ErrorResponse")),
    ];
    oneof(&mut response, "message_response", answers);

    let mut file = descriptor::file(format!("grpc/reflection/{version}/reflection.proto"), package.as_str());
    file.message_type = vec![
        request,
        message(
            "ExtensionRequest",
            vec![field("containing_type", 1, string.clone()), field("extension_number", 2, int.clone())],
        ),
        response,
        message(
            "FileDescriptorResponse",
            vec![repeated("file_descriptor_proto", 1, Of::Scalar(Type::Bytes))],
        ),
        message(
            "ExtensionNumberResponse",
            vec![field("base_type_name", 1, string.clone()), repeated("extension_number", 2, int.clone())],
        ),
        message("ListServiceResponse", vec![repeated("service", 1, of("ServiceResponse"))]),
        message("ServiceResponse", vec![field("name", 1, string.clone())]),
        message("ErrorResponse", vec![field("error_code", 1, int), field("error_message", 2, string)]),
    ];
    file.service.push(descriptor::service(
        "ServerReflection",
        vec![descriptor::method(
            "ServerReflectionInfo",
            (&format!("{package}.ServerReflectionRequest"), true),
            (&format!("{package}.ServerReflectionResponse"), true),
        )],
    ));
    file
}
